import Bytes

/// An envelope address (RFC 5321 §4.1.2), quotes and backslashes of the local part taken off.
public struct LMTPPath: Sendable, Hashable {
  public var localPart: String
  /// As written, address literals with their brackets; nil for `<>` and for an address without one, which here is the
  /// name of an account (and `<postmaster>`, RFC 5321 §4.1.1.3).
  public var domain: String?

  public init(localPart: String, domain: String?) {
    self.localPart = localPart
    self.domain = domain
  }

  /// `<>`, the sender of bounces.
  public static let null = LMTPPath(localPart: "", domain: nil)

  public var isNull: Bool { localPart.isEmpty && domain == nil }

  public var isASCII: Bool {
    localPart.utf8.allSatisfy { $0 < 0x80 } && (domain?.utf8.allSatisfy { $0 < 0x80 } ?? true)
  }

  /// Postmaster is known in any letter case (RFC 5321 §4.1.1.3), with whatever domain.
  public var isPostmaster: Bool {
    localPart.utf8.count == 10 && localPart.utf8.map(\.asciiLowercased).elementsEqual("postmaster".utf8)
  }

  /// With angle brackets, and with as little quoting as possible (RFC 5321 §4.1.2): for Return-Path and for replies.
  public var text: String { "<\(address)>" }

  /// Without angle brackets; empty for `<>`.
  public var address: String {
    let local = Self.isDotString(localPart) || isNull ? localPart : Self.quoted(localPart)
    return domain.map { "\(local)@\($0)" } ?? local
  }

  private static func isDotString(_ text: String) -> Bool {
    var isAfterDot = true
    for byte in text.utf8 {
      if byte == UInt8(ascii: ".") {
        if isAfterDot { return false }
        isAfterDot = true
      } else {
        guard byte.isAtext else { return false }
        isAfterDot = false
      }
    }
    return !isAfterDot
  }

  private static func quoted(_ text: String) -> String {
    var bytes = [UInt8.quote]
    for byte in text.utf8 {
      if byte == .quote || byte == .backslash { bytes.append(.backslash) }
      bytes.append(byte)
    }
    bytes.append(.quote)
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension UInt8 {
  /// atext of RFC 5322 §3.2.3, with UTF-8 by RFC 6531 §3.3.
  var isAtext: Bool {
    if isASCIILetter || isASCIIDigit || self >= 0x80 { return true }
    switch self {
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "/"),
      UInt8(ascii: "="), UInt8(ascii: "?"), UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"),
      UInt8(ascii: "{"), UInt8(ascii: "|"), UInt8(ascii: "}"), UInt8(ascii: "~"):
      return true
    default: return false
    }
  }
}

extension ByteCursor {
  /// A path with its angle brackets; nil (cursor anywhere) when there is none.
  ///
  /// Taken although RFC 5321 would not: dots at the ends of a local part or side by side, and underscores in domains,
  /// for both occur in real return paths that the MTA has let in long ago; and addresses without a domain, for accounts
  /// that have none in their names.
  @_lifetime(self: copy self)
  mutating func takePath() -> LMTPPath? {
    let start = position
    guard take(UInt8(ascii: "<")) else { return nil }
    if take(UInt8(ascii: ">")) { return .null }
    guard skipSourceRoute(), let local = takeLocalPart() else { return nil }
    var domain: String?
    if take(UInt8(ascii: "@")) {
      guard let found = takeDomain() else { return nil }
      domain = found
    }
    guard take(UInt8(ascii: ">")), position - start <= LMTPLimits.path else { return nil }
    return LMTPPath(localPart: local, domain: domain)
  }

  /// `@a,@b:` in front of a mailbox MUST be accepted and SHOULD be ignored (RFC 5321 §4.1.2, A-d-l).
  @_lifetime(self: copy self)
  private mutating func skipSourceRoute() -> Bool {
    guard peek == UInt8(ascii: "@") else { return true }
    repeat {
      guard take(UInt8(ascii: "@")), takeDomain() != nil else { return false }
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: ":"))
  }

  @_lifetime(self: copy self)
  private mutating func takeLocalPart() -> String? {
    guard take(.quote) else {
      let start = position
      guard skip(while: { $0.isAtext || $0 == UInt8(ascii: ".") }) > 0 else { return nil }
      return string(start..<position)
    }
    var bytes: [UInt8] = []
    while let byte = next() {
      switch byte {
      case .quote: return bytes.isEmpty ? nil : String(validating: bytes, as: UTF8.self)
      case .backslash:
        guard let escaped = next(), (0x20...0x7E).contains(escaped) else { return nil }
        bytes.append(escaped)
      case 0x20...0x7E, 0x80...0xFF: bytes.append(byte)
      default: return nil
      }
    }
    return nil
  }

  @_lifetime(self: copy self)
  private mutating func takeDomain() -> String? {
    let start = position
    if take(UInt8(ascii: "[")) {
      // RFC 5321 §4.1.3: dcontent
      let count = skip { (0x21...0x5A).contains($0) || (0x5E...0x7E).contains($0) }
      guard count > 0, take(UInt8(ascii: "]")) else { return nil }
      return string(start..<position)
    }
    repeat {
      let label = position
      let count = skip {
        $0.isASCIILetter || $0.isASCIIDigit || $0 >= 0x80 || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
      }
      guard count > 0, peek(at: label - position) != UInt8(ascii: "-"), peek(at: -1) != UInt8(ascii: "-") else {
        return nil
      }
    } while take(UInt8(ascii: "."))
    return position - start <= LMTPLimits.domain ? string(start..<position) : nil
  }

  private func string(_ range: Range<Int>) -> String? {
    let bytes = span.extracting(range).withUnsafeBytes { Array($0) }
    return String(validating: bytes, as: UTF8.self)
  }
}
