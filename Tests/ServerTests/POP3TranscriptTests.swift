import MailNet
import MailTestKit
import POP3Core
import POP3Server
import Testing

extension TestServer.Kind {
  /// `@set`: `login-delay`, `lock-silence`, `idle`, `utf8-fallback`.
  static let pop3 = TestServer.Kind(name: "pop3") { parts in
    let clock = parts.clock
    let settings = POP3ServerSettings(
      hostname: "mail.example.id", offersSTLS: parts.offersTLS,
      loginDelaySeconds: parts.number("login-delay", or: 0), idleSeconds: parts.number("idle", or: 600),
      lockSilenceSeconds: parts.number("lock-silence", or: 60),
      utf8Fallback: parts.settings["utf8-fallback"].flatMap { UTF8Fallback(rawValue: $0) } ?? .surrogate,
      now: { clock.now })
    let server = POP3Server(
      store: parts.store, authenticator: parts.authenticator, settings: settings, logger: parts.logger)
    return { server.makeSession($0) }
  }
}

@Suite struct POP3Transcripts {
  @Test(arguments: Transcript.all(of: "pop3"))
  func `A POP3 transcript holds`(transcript: Transcript) async throws {
    try await TranscriptRun(transcript, server: .pop3).play()
  }
}
