import LMTPServer
import MailNet
import MailTestKit
import Testing

extension TestServer.Kind {
  /// `@set`: `max-size`, `max-recipients`, `full` (`temporary`), `delimiter`, `trace` (`no`), `postmaster`, `idle`.
  static let lmtp = TestServer.Kind(name: "lmtp") { parts in
    let clock = parts.clock
    let settings = LMTPServerSettings(
      hostname: "mail.example.id", offersSTARTTLS: parts.offersTLS,
      maxMessageBytes: parts.number("max-size", or: 10_000_000),
      quotaFullIsTemporary: parts.settings["full"] == "temporary",
      recipientDelimiter: parts.settings["delimiter"] ?? "+", addsTraceHeaders: parts.settings["trace"] != "no",
      postmaster: parts.settings["postmaster"], maxRecipients: parts.number("max-recipients", or: 1000),
      idleSeconds: parts.number("idle", or: 300), now: { clock.now })
    let server = LMTPServer(store: parts.store, settings: settings, logger: parts.logger)
    return { server.makeSession($0) }
  }
}

@Suite struct LMTPTranscripts {
  @Test(arguments: Transcript.all(of: "lmtp"))
  func `An LMTP transcript holds`(transcript: Transcript) async throws {
    try await TranscriptRun(transcript, server: .lmtp).play()
  }
}
