import Bytes
import NIOCore

/// What CAPA said (RFC 2449); everything false or nil when the server has no CAPA.
public struct POP3Capabilities: Sendable, Hashable {
  /// The server answered CAPA. If not, TOP, UIDL and USER are worth a try all the same.
  public var isKnown = false
  public var top = false
  public var uidl = false
  public var pipelining = false
  public var user = false
  public var stls = false
  public var respCodes = false
  public var utf8 = false
  /// SASL mechanism names, upper case.
  public var sasl: [String] = []
  /// Days mail is kept after RETR; 0: RETR deletes at QUIT; nil: NEVER or not said.
  public var expireDays: Int?
  /// Seconds between logins.
  public var loginDelay: Int?
  public var implementation: String?
  public init() {}
}

extension POP3Capabilities {
  /// The lines of the answer to CAPA. Names are compared without case; what is not known is passed over.
  init(body: ByteBuffer) {
    isKnown = true
    for line in String(buffer: body).split(whereSeparator: \.isNewline) {
      let words = line.split { $0 == " " || $0 == "\t" }
      guard let name = words.first?.uppercased() else { continue }
      let arguments = words.dropFirst()
      switch name {
      case "TOP": top = true
      case "UIDL": uidl = true
      case "PIPELINING": pipelining = true
      case "USER": user = true
      case "STLS": stls = true
      case "RESP-CODES": respCodes = true
      case "UTF8": utf8 = true
      case "SASL": sasl += arguments.map { $0.uppercased() }
      case "EXPIRE": expireDays = Self.days(arguments)
      case "LOGIN-DELAY": loginDelay = arguments.first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
      case "IMPLEMENTATION": implementation = Self.rest(of: line)
      default: break
      }
    }
  }

  /// `EXPIRE 0`, `EXPIRE NEVER`, `EXPIRE 30 USER` (RFC 2449 §6.7). Before login the figure with USER is the smallest for
  /// anybody, which is the one to go by as long as no better is known.
  private static func days(_ arguments: ArraySlice<Substring>) -> Int? {
    arguments.first.flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
  }

  private static func rest(of line: Substring) -> String {
    let text = line.drop { $0 == " " || $0 == "\t" }.drop { $0 != " " && $0 != "\t" }
    return ServerText.clean(String(text.drop { $0 == " " || $0 == "\t" }))
  }
}
