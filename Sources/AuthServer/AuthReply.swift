import Bytes
import MailAuth
import MailStore
public import NIOCore
import SASL

/// What is said on the socket.
public enum AuthReply: Sendable, Hashable {
  /// The whole handshake: mechanisms with their properties, who we are, and a number that is of no use to an MTA.
  case handshake(mechanisms: [ServerMechanism], process: Int32, connection: UInt64, cookie: [UInt8])
  case challenge(id: UInt32, ByteBuffer)
  case success(id: UInt32, user: String)
  case failure(id: UInt32, user: String, FailureReason)

  public func write(into out: inout ByteBuffer) {
    switch self {
    case .handshake(let mechanisms, let process, let connection, let cookie):
      out.writeString("VERSION\t1\t2\n")
      for mechanism in mechanisms { out.writeString("MECH\t\(mechanism.name)\(Self.properties(mechanism))\n") }
      let digits = cookie.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
      out.writeString("SPID\t\(process)\nCUID\t\(connection)\nCOOKIE\t\(digits)\nDONE\n")
    case .challenge(let id, let bytes):
      out.writeString("CONT\t\(id)\t\(Base64.encodedString(bytes.readableBytesSpan))\n")
    case .success(let id, let user):
      out.writeString("OK\t\(id)\tuser=\(AuthText.escape(user))\n")
    case .failure(let id, let user, let reason):
      out.writeString("FAIL\t\(id)")
      if !user.isEmpty { out.writeString("\tuser=\(AuthText.escape(user))") }
      out.writeString("\(Self.parameters(reason))\n")
    }
  }

  /// MTAs leave out what their settings forbid by these words.
  private static func properties(_ mechanism: ServerMechanism) -> String {
    switch mechanism {
    case .password(let mechanism) where mechanism.sendsPassword: "\tplaintext"
    case .password: "\tmutual-auth"
    case .token: "\tplaintext"
    case .external: ""
    }
  }

  /// Without words for people where the password was wrong: the MTA has its own.
  private static func parameters(_ reason: FailureReason) -> String {
    switch reason {
    case .wrongCredentials, .cancelled: ""
    case .authorizationFailed: "\tauthz"
    case .disabled: "\tcode=user_disabled"
    case .temporary, .tooManyConnections: "\ttemp\tcode=temp_fail"
    case .privacyRequired: "\treason=Passwords are taken only under TLS"
    case .malformed(let what): "\treason=\(AuthText.escape(what))"
    }
  }
}
