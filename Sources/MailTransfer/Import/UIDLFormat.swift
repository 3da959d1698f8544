/// How a POP3 server made UIDLs from what it knew of a message: Dovecot's `pop3_uidl_format`. With it clients that kept
/// mail on that server do not download it again.
///
/// Variables are `%u` (UID), `%v` (UIDVALIDITY), `%f` (base of the file name) and `%g` (the message's GUID: that of the
/// list of UIDs, else the base), each with a width, filled with 0 if it begins with 0, and `X` for hexadecimal digits:
/// `%08Xu%08Xv`, Dovecot's default, is `0000001e499602d2` for UID 30 under UIDVALIDITY 1234567890. `%%` is a `%`.
public struct UIDLFormat: Sendable, Hashable {
  /// Dovecot's default.
  public static let dovecot = UIDLFormat(parts: [
    .number(.uid, width: 8, fill: "0", isHexadecimal: true),
    .number(.uidValidity, width: 8, fill: "0", isHexadecimal: true),
  ])

  /// Why a format cannot be used.
  public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
    public var description: String
  }

  private enum Number: Sendable, Hashable { case uid, uidValidity }
  private enum Part: Sendable, Hashable {
    case text(String)
    case number(Number, width: Int, fill: Character, isHexadecimal: Bool)
    case fileName
    case guid
  }
  private let parts: [Part]

  private init(parts: [Part]) { self.parts = parts }

  public init(_ text: String) throws(Refusal) {
    var parts: [Part] = []
    var rest = text[...]
    var plain = ""
    while let character = rest.popFirst() {
      guard character == "%" else {
        plain.append(character)
        continue
      }
      if rest.first == "%" {
        plain.append(rest.removeFirst())
        continue
      }
      if !plain.isEmpty { parts.append(.text(plain)) }
      plain = ""
      parts.append(try Self.variable(&rest, of: text))
    }
    if !plain.isEmpty { parts.append(.text(plain)) }
    guard parts.contains(where: { if case .text = $0 { false } else { true } }) else {
      throw Refusal(description: "'\(text)': a UIDL format without a variable would make all UIDLs the same")
    }
    self.parts = parts
  }

  private static func variable(_ rest: inout Substring, of text: String) throws(Refusal) -> Part {
    let digits = rest.prefix { $0.isASCII && $0.isNumber }
    rest = rest.dropFirst(digits.count)
    let isHexadecimal = rest.first == "X"
    if isHexadecimal { rest = rest.dropFirst() }
    let width = digits.isEmpty ? 0 : Int(digits) ?? 71
    guard width <= 70 else { throw Refusal(description: "'\(text)': a UIDL has at most 70 characters") }
    let fill: Character = digits.first == "0" ? "0" : " "
    switch rest.popFirst() {
    case "u": return .number(.uid, width: width, fill: fill, isHexadecimal: isHexadecimal)
    case "v": return .number(.uidValidity, width: width, fill: fill, isHexadecimal: isHexadecimal)
    case "f" where digits.isEmpty && !isHexadecimal: return .fileName
    case "g" where digits.isEmpty && !isHexadecimal: return .guid
    case let other:
      throw Refusal(
        description:
          "'\(text)': %\(other.map(String.init) ?? "") is none of %u, %v, %f, %g and %%; see pop3_uidl_format")
    }
  }

  /// Nil where something that the format needs is not known, or what comes out is no UIDL (RFC 1939 §7).
  func uidl(uid: UInt32?, uidValidity: UInt32?, base: String?, guid: String?) -> String? {
    var result = ""
    for part in parts {
      switch part {
      case .text(let text): result += text
      case .number(let number, let width, let fill, let isHexadecimal):
        guard let value = number == .uid ? uid : uidValidity else { return nil }
        let digits = String(value, radix: isHexadecimal ? 16 : 10)
        result += String(repeating: fill, count: max(0, width - digits.count)) + digits
      case .fileName:
        guard let base else { return nil }
        result += base
      case .guid:
        guard let guid = guid ?? base else { return nil }
        result += guid
      }
    }
    return Self.isUIDL(result) ? result : nil
  }

  static func isUIDL(_ text: String) -> Bool {
    (1...70).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
  }
}
