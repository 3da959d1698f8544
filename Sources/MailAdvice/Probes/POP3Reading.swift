import MailClient
public import POP3Client

/// The commands of a POP3 session that take nothing away: CAPA, STAT, LIST, UIDL, TOP, NOOP, and QUIT with nothing
/// deleted. RETR and DELE can't be said through it.
public protocol POP3Reading: AnyObject {
  var capabilities: POP3Capabilities { get }
  func stat() async throws -> (messages: Int, octets: Int64)
  /// LIST and UIDL.
  func listing() async throws -> [POP3Listing]
  func top(_ messages: [POP3Listing], lines: Int, _ take: (POP3Retrieval) -> Void) async throws
  func noop() async throws
  func quit() async
}

/// A `POP3Client` of which only the reading commands can be reached.
final class ReadOnlyPOP3: POP3Reading {
  private let client: POP3Client

  init(_ client: POP3Client) { self.client = client }

  var capabilities: POP3Capabilities { client.capabilities }
  func stat() async throws -> (messages: Int, octets: Int64) { try await client.stat() }
  func listing() async throws -> [POP3Listing] { try await client.listing() }
  func top(_ messages: [POP3Listing], lines: Int, _ take: (POP3Retrieval) -> Void) async throws {
    try await client.top(messages, lines: lines, window: AdviceLimits.topWindow) { take($0) }
  }
  func noop() async throws { try await client.noop() }
  func quit() async {
    do {
      try await client.quit()
    } catch {
      // Nothing was deleted, so nothing hangs on the answer.
      await client.abandon()
    }
  }
}
