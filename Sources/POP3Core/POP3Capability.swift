public import NIOCore

/// One line of the answer to CAPA. Which of them are announced in which state is for the session; those of the
/// AUTHORIZATION state go on being announced after login (RFC 2449 §5).
public enum POP3Capability: Sendable, Hashable {
  /// RFC 2449 §6.1
  case top
  /// RFC 2449 §6.2; left out while passwords are not taken.
  case user
  /// RFC 5034 §3
  case sasl([String])
  /// RFC 2449 §6.4
  case respCodes
  /// RFC 3206 §6
  case authRespCode
  /// RFC 2449 §6.5. `perUser`: it may be less after login.
  case loginDelay(seconds: Int, perUser: Bool)
  /// RFC 2449 §6.6
  case pipelining
  /// RFC 2449 §6.7. `days`: nil is NEVER. `perUser`: it may differ after login.
  case expire(days: Int?, perUser: Bool)
  /// RFC 2449 §6.8
  case uidl
  /// RFC 2449 §6.9
  case implementation(String)
  /// RFC 2595 §4
  case stls
  /// RFC 6856 §2; with USER: names and passwords may be UTF-8.
  case utf8User
  /// RFC 6856 §3
  case lang

  /// The line without its end.
  public var text: String {
    switch self {
    case .top: "TOP"
    case .user: "USER"
    case .sasl(let mechanisms): (["SASL"] + mechanisms).joined(separator: " ")
    case .respCodes: "RESP-CODES"
    case .authRespCode: "AUTH-RESP-CODE"
    case .loginDelay(let seconds, let perUser): "LOGIN-DELAY \(seconds)" + (perUser ? " USER" : "")
    case .pipelining: "PIPELINING"
    case .expire(let days, let perUser): "EXPIRE " + (days.map(String.init) ?? "NEVER") + (perUser ? " USER" : "")
    case .uidl: "UIDL"
    case .implementation(let name): "IMPLEMENTATION \(name)"
    case .stls: "STLS"
    case .utf8User: "UTF8 USER"
    case .lang: "LANG"
    }
  }

  /// The whole answer to CAPA.
  public static func write(_ list: [POP3Capability], _ language: POP3Language, into buffer: inout ByteBuffer) {
    POP3Response.ok(.capabilitiesFollow, language, into: &buffer)
    for capability in list { buffer.writeString("\(capability.text)\r\n") }
    POP3Response.endOfListing(into: &buffer)
  }
}
