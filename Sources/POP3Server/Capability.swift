import MailAuth
import MailNet
import MailStore
import POP3Core
import SASL

/// A capability: what is announced, when, and by which RFC. CAPA is printed from these rows and from nothing else.
struct Capability: Sendable {
  var name: String
  var rfc: String
  /// False: announced in AUTHORIZATION only. All others are announced in both states, as RFC 2449 §5 wants it.
  var afterLogin: Bool
  /// What the session announces; nil when it has nothing to announce under this name.
  var announced: @Sendable (isolated POP3Session) -> POP3Capability?

  static let table: [Capability] = [
    Capability(name: "TOP", rfc: "RFC 1939 §7, RFC 2449 §6.1", afterLogin: true) { _ in .top },
    Capability(name: "UIDL", rfc: "RFC 1939 §7, RFC 2449 §6.8", afterLogin: true) { _ in .uidl },
    Capability(name: "RESP-CODES", rfc: "RFC 2449 §6.4", afterLogin: true) { _ in .respCodes },
    Capability(name: "AUTH-RESP-CODE", rfc: "RFC 3206 §6", afterLogin: true) { _ in .authRespCode },
    Capability(name: "PIPELINING", rfc: "RFC 2449 §6.6", afterLogin: true) { _ in .pipelining },
    Capability(name: "USER", rfc: "RFC 2449 §6.2", afterLogin: true) { session in
      session.server.authenticator.passwordLoginAllowed(on: session.connection) ? .user : nil
    },
    Capability(name: "SASL", rfc: "RFC 5034 §3", afterLogin: true) { session in
      let mechanisms = session.server.authenticator.mechanisms(for: session.connection).map(\.name)
      return mechanisms.isEmpty ? nil : .sasl(mechanisms)
    },
    // RFC 2595 §4: AUTHORIZATION state only.
    Capability(name: "STLS", rfc: "RFC 2595 §4", afterLogin: false) { session in
      session.connection.canStartTLS && !session.isUTF8 ? .stls : nil
    },
    Capability(name: "UTF8", rfc: "RFC 6856 §2", afterLogin: true) { _ in .utf8User },
    Capability(name: "LANG", rfc: "RFC 6856 §3", afterLogin: true) { _ in .lang },
    Capability(name: "EXPIRE", rfc: "RFC 2449 §6.7", afterLogin: true) { session in
      guard let account = session.drop?.account else {
        // RFC 2449 §6.7: before login the smallest value that could be set for any user.
        return .expire(days: 0, perUser: true)
      }
      switch account.pop3Expire {
      case .never: return .expire(days: nil, perUser: false)
      case .onRetrieve: return .expire(days: 0, perUser: false)
      case .days(let days): return .expire(days: days, perUser: false)
      }
    },
    Capability(name: "LOGIN-DELAY", rfc: "RFC 2449 §6.5", afterLogin: true) { session in
      let seconds = session.settings.loginDelaySeconds
      return seconds > 0 ? .loginDelay(seconds: seconds, perUser: false) : nil
    },
    Capability(name: "IMPLEMENTATION", rfc: "RFC 2449 §6.9", afterLogin: true) { session in
      let name = session.settings.implementation
      return name.isEmpty ? nil : .implementation(name)
    },
  ]
}
