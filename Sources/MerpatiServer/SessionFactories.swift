import Foundation
import IMAPServer
import LMTPServer
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core
import POP3Server

/// Makes the session that fits a listener.
struct SessionFactories: Sendable {
  private let imap: IMAPListener
  private let pop3: POP3Server
  private let lmtp: LMTPServer

  init(
    settings: Settings, store: any MailStore, authenticator: Authenticator, makeLogger: (String) -> Logger
  ) {
    imap = IMAPListener(
      store: store, authenticator: authenticator, settings: settings.imapServer(), logger: makeLogger("imap"))
    pop3 = POP3Server(
      store: store, authenticator: authenticator, settings: settings.pop3Server(), logger: makeLogger("pop3"))
    lmtp = LMTPServer(store: store, settings: settings.lmtpServer(offersSTARTTLS: true), logger: makeLogger("lmtp"))
  }

  func factory(_ kind: Settings.ListenerKind) -> @Sendable (Connection) -> any ConnectionSession {
    let (imap, pop3, lmtp) = (imap, pop3, lmtp)
    return switch kind {
    case .imap, .imaps: { imap.makeSession($0) }
    case .pop3, .pop3s: { pop3.makeSession($0) }
    case .lmtp: { lmtp.makeSession($0) }
    }
  }
}

extension Settings {
  static let clock: @Sendable () -> Int64 = { Int64(time(nil)) }

  func imapServer() -> IMAPServerSettings {
    var result = IMAPServerSettings(now: Self.clock)
    result.productVersion = MerpatiVersion.text
    result.appendLimit = maximumMessageOctets
    result.loginTimeout = .seconds(Int64(loginTimeoutSeconds))
    result.offersCompression = imapCompresses
    result.offersUnauthenticate = imapUnauthenticates
    result.idleTimeout = .seconds(Int64(imapIdleSeconds))
    result.messageLimit = imapMessageLimit
    result.urlAuth = URLAuthOffer(rawValue: imapURLAuth) ?? .always
    result.submissionAccounts = submissionAccounts
    result.quotaAdministrators = quotaAdministrators
    result.language = SessionLanguage(rawValue: imapLanguage) ?? .english
    result.utf8Fallback = imapUTF8Fallback == "surrogate" ? .surrogate : .asIs
    result.othersPrefix = sharing.othersPrefix
    result.publicPrefix = sharing.publicPrefix
    result.publicAccount = sharing.publicAccount
    return result
  }

  func pop3Server() -> POP3ServerSettings {
    let fallback: UTF8Fallback =
      switch pop3UTF8Fallback {
      case "surrogate": .surrogate
      case "refuse": .refuse
      default: .asIs
      }
    return POP3ServerSettings(
      hostname: hostname, offersSTLS: true, implementation: "Merpati-\(MerpatiVersion.text)",
      loginDelaySeconds: pop3LoginDelaySeconds, idleSeconds: pop3IdleSeconds, loginSeconds: loginTimeoutSeconds,
      utf8Fallback: fallback, language: POP3Language(rawValue: pop3Language) ?? .english, now: Self.clock)
  }

  func lmtpServer(offersSTARTTLS: Bool) -> LMTPServerSettings {
    LMTPServerSettings(
      hostname: hostname, offersSTARTTLS: offersSTARTTLS, maxMessageBytes: maximumMessageOctets,
      quotaFullIsTemporary: fullIsTemporary, recipientDelimiter: recipientDelimiter.map(String.init) ?? "",
      postmaster: postmaster,
      idleSeconds: lmtpIdleSeconds, now: Self.clock)
  }
}
