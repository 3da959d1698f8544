import IMAPCore
import IMAPServer
import MailNet
import MailTestKit
import NIOCore
import Testing

extension TestServer.Kind {
  /// `@set`: `append-limit`, `idle-milliseconds`, `login-milliseconds`, `bad-commands`, `commands-before-login`,
  /// `whole-message-limit`, `search-whole-message-limit`, `messages-on-loop`, `output-chunk`, `line`,
  /// `notify-lines`, `notify-messages`, `search-contexts`, `context-results`, `metadata-entries`, `metadata-value`,
  /// `line-before-login`, `swallowed-literal`, `message-limit`, `progress-milliseconds`, `compress` and `unauthenticate`
  /// (`off`), `utf8-fallback`, `urlauth`, `submission-accounts`, `language`, `quota-administrators`, `public-account`.
  static let imap = TestServer.Kind(name: "imap") { parts in
    let clock = parts.clock
    var settings = IMAPServerSettings(now: { clock.now })
    settings.productVersion = "1"
    settings.appendLimit = parts.number("append-limit", or: settings.appendLimit)
    settings.idleTimeout = .milliseconds(Int64(parts.number("idle-milliseconds", or: 1_800_000)))
    settings.loginTimeout = .milliseconds(Int64(parts.number("login-milliseconds", or: 60_000)))
    settings.badCommandsBeforeLogin = parts.number("bad-commands", or: settings.badCommandsBeforeLogin)
    settings.commandsBeforeLogin = parts.number("commands-before-login", or: settings.commandsBeforeLogin)
    settings.wholeMessageLimit = parts.number("whole-message-limit", or: settings.wholeMessageLimit)
    settings.searchWholeMessageLimit = parts.number(
      "search-whole-message-limit", or: settings.searchWholeMessageLimit)
    settings.messagesOnLoop = parts.number("messages-on-loop", or: settings.messagesOnLoop)
    settings.notifyLines = parts.number("notify-lines", or: settings.notifyLines)
    settings.notifyMessages = parts.number("notify-messages", or: settings.notifyMessages)
    settings.namesOnLoop = parts.number("names-on-loop", or: settings.namesOnLoop)
    settings.searchContexts = parts.number("search-contexts", or: settings.searchContexts)
    settings.contextResults = parts.number("context-results", or: settings.contextResults)
    settings.metadataEntries = parts.number("metadata-entries", or: settings.metadataEntries)
    settings.metadataValue = parts.number("metadata-value", or: settings.metadataValue)
    settings.outputChunk = parts.number("output-chunk", or: settings.outputChunk)
    settings.wire.lineBeforeLogin = parts.number("line-before-login", or: settings.wire.lineBeforeLogin)
    settings.messageLimit = parts.number("message-limit", or: 0)
    settings.wire.line = parts.number("line", or: settings.wire.line)
    settings.wire.swallowedLiteral = Int64(parts.number("swallowed-literal", or: 16 << 20))
    settings.progressInterval = .milliseconds(Int64(parts.number("progress-milliseconds", or: 10_000)))
    settings.offersCompression = parts.settings["compress"] != "off"
    settings.offersUnauthenticate = parts.settings["unauthenticate"] != "off"
    settings.urlAuth = parts.settings["urlauth"].flatMap { URLAuthOffer(rawValue: $0) } ?? .always
    settings.submissionAccounts = (parts.settings["submission-accounts"] ?? "").split(separator: ",").map(String.init)
    settings.quotaAdministrators = (parts.settings["quota-administrators"] ?? "").split(separator: ",").map(String.init)
    settings.language = parts.settings["language"].flatMap { SessionLanguage(rawValue: $0) } ?? .english
    settings.utf8Fallback = parts.settings["utf8-fallback"].flatMap { HeaderFallback(rawValue: $0) } ?? .asIs
    settings.publicAccount = parts.settings["public-account"] ?? ""
    let listener = IMAPListener(
      store: parts.store, authenticator: parts.authenticator, settings: settings, logger: parts.logger)
    return { listener.makeSession($0) }
  }
}

@Suite struct IMAPTranscripts {
  @Test(arguments: Transcript.all(of: "imap"))
  func `An IMAP transcript holds`(transcript: Transcript) async throws {
    try await TranscriptRun(transcript, server: .imap).play()
  }
}
