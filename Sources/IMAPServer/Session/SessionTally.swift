import IMAPCore
import Logging
import MailNet
import MailStore

/// What a session has done, for the line that the log gets at its end.
struct SessionTally {
  /// Commands of the client that were understood, by name.
  private var commands: [CommandName: Int] = [:]
  var bad = 0
  var badInARow = 0
  var beforeLogin = 0
  var fetched = 0
  var appended = 0
  var expunged = 0
  var internalErrors = 0
  /// Of ID, bounded (RFC 2971).
  var client: String?

  /// After UNAUTHENTICATE: another login begins from nothing, but for what ID said (RFC 8437 §3).
  var forNextLogin: SessionTally {
    var next = SessionTally()
    next.client = client
    next.internalErrors = internalErrors
    return next
  }

  mutating func count(_ name: CommandName) { commands[name, default: 0] += 1 }

  func log(to logger: Logger, _ connection: Connection, account: Account?, why: some CustomStringConvertible) {
    var metadata: Logger.Metadata = [
      "conn": "\(connection.id)", "peer": "\(connection.peer)", "in": "\(connection.bytesIn)",
      "out": "\(connection.bytesOut)", "why": "\(why)",
      "commands": "\(commands.map { "\($0.key.keyword)=\($0.value)" }.sorted().joined(separator: " "))",
    ]
    if let account { metadata["account"] = "\(account.name)" }
    if let (octetsIn, octetsOut) = connection.compressedOctets {
      metadata["compressed"] = "in=\(octetsIn) out=\(octetsOut)"
    }
    if let client { metadata["client"] = "\(client)" }
    for (name, value) in [("bad", bad), ("fetched", fetched), ("appended", appended), ("expunged", expunged)]
    where value > 0 {
      metadata[name] = "\(value)"
    }
    logger.info("imap session ended", metadata: metadata)
  }
}
