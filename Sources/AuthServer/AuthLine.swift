import Bytes
import NIOCore

/// What an MTA says on the socket: a line of words parted by tabs (Dovecot's authentication protocol, version 1.2).
public enum AuthClientLine: Sendable, Hashable {
  case version(major: UInt32, minor: UInt32)
  /// The client's process; its handshake ends with it.
  case process(UInt32)
  case auth(AuthRequest)
  /// The answer to a challenge, in base64 still.
  case response(id: UInt32, text: String)
  case cancel(id: UInt32)
  /// A command of a later version: passed over.
  case unknown

  /// Why a line ends the connection: whoever says it speaks something else.
  public struct Malformed: Error, Sendable, Hashable {
    public var reason: String
  }

  /// Reads a line without its end.
  public static func parse(_ line: ByteBuffer) throws(Malformed) -> AuthClientLine {
    let words = line.readableBytesView.split(separator: 9, omittingEmptySubsequences: false)
    guard words.count <= AuthServerLimits.parameters else { throw Malformed(reason: "too many parameters") }
    let text = words.map { AuthText.unescape($0) }
    let arguments = text.dropFirst()
    func number(_ index: Int, _ what: String) throws(Malformed) -> UInt32 {
      guard arguments.indices.contains(index), let value = AuthText.number(arguments[index]) else {
        throw Malformed(reason: what)
      }
      return value
    }
    switch text.first {
    case "VERSION":
      return .version(major: try number(1, "VERSION's major number"), minor: try number(2, "VERSION's minor number"))
    case "CPID": return .process(try number(1, "CPID's number"))
    case "AUTH":
      let id = try number(1, "AUTH's number")
      guard arguments.count >= 2 else { throw Malformed(reason: "AUTH without a mechanism") }
      return .auth(AuthRequest(id: id, mechanism: arguments[2], parameters: arguments.dropFirst(2)))
    case "CONT":
      return .response(id: try number(1, "CONT's number"), text: arguments.count >= 2 ? arguments[2] : "")
    case "CANCEL": return .cancel(id: try number(1, "CANCEL's number"))
    default: return .unknown
    }
  }
}

/// `AUTH`, as far as it is looked at: parameters that nobody knows are passed over.
public struct AuthRequest: Sendable, Hashable {
  public var id: UInt32
  public var mechanism: String
  /// `smtp`, mostly; for the log.
  public var service = ""
  /// The client's address as the MTA sees it.
  public var remote: String?
  public var remotePort: UInt16 = 0
  /// The client came by TLS, or from the MTA's own machine.
  public var isSecured = false
  /// The initial response, in base64 still; nil: none.
  public var response: String?

  public init(id: UInt32, mechanism: String) {
    self.id = id
    self.mechanism = mechanism
  }

  init(id: UInt32, mechanism: String, parameters: some Sequence<String>) {
    self.init(id: id, mechanism: mechanism)
    for parameter in parameters {
      // What stands behind `resp=` is part of it: base64 ends in `=` signs, and it is the last one.
      let parts = parameter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = parts.count > 1 ? String(parts[1]) : ""
      switch parts.first {
      case "service": service = value
      case "rip": remote = value
      case "rport": remotePort = UInt16(value) ?? 0
      case "secured": isSecured = true
      case "resp" where parts.count > 1: response = value
      default: break
      }
    }
  }
}

/// The protocol's words.
enum AuthText {
  /// Undoes \001 escapes; octets that are no UTF-8 are replaced. What is escaped without need stands for itself.
  static func unescape(_ octets: some Collection<UInt8>) -> String {
    guard octets.contains(1) else { return String(decoding: octets, as: UTF8.self) }
    var result: [UInt8] = []
    var isEscaped = false
    for octet in octets {
      guard isEscaped else {
        if octet == 1 { isEscaped = true } else { result.append(octet) }
        continue
      }
      isEscaped = false
      switch octet {
      case UInt8(ascii: "0"): result.append(0)
      case UInt8(ascii: "1"): result.append(1)
      case UInt8(ascii: "t"): result.append(9)
      case UInt8(ascii: "r"): result.append(13)
      // The text says l, the program says n.
      case UInt8(ascii: "l"), UInt8(ascii: "n"): result.append(10)
      default: result.append(octet)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  static func escape(_ text: String) -> String {
    guard text.utf8.contains(where: { [0, 1, 9, 10, 13].contains($0) }) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\0": result.append(contentsOf: "\u{1}0".unicodeScalars)
      case "\u{1}": result.append(contentsOf: "\u{1}1".unicodeScalars)
      case "\t": result.append(contentsOf: "\u{1}t".unicodeScalars)
      case "\r": result.append(contentsOf: "\u{1}r".unicodeScalars)
      case "\n": result.append(contentsOf: "\u{1}n".unicodeScalars)
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// Digits only, 32 bits.
  static func number(_ text: String) -> UInt32? {
    guard (1...10).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return UInt32(text)
  }
}
