public import IMAPCore
import NIOCore

/// Which messages of a mailbox a table shows: asked of a server as SEARCH, or of kept headers by `matches`.
public struct ListFilter: Sendable {
  public var unseen = false
  /// Text in the sender's name or address, case aside.
  public var from: String?
  public var subject: String?
  /// INTERNALDATE on this day or later, time and zone disregarded (RFC 9051 §6.4.4).
  public var since: IMAPDay?
  public init() {}

  public var isEmpty: Bool { !unseen && from == nil && subject == nil && since == nil }

  /// Nil: every message.
  public var key: SearchKey? {
    var keys: [SearchKey] = []
    if unseen { keys.append(.unflag(.seen)) }
    if let from { keys.append(.address(.from, ByteBuffer(string: from))) }
    if let subject { keys.append(.subject(ByteBuffer(string: subject))) }
    if let since { keys.append(.since(since)) }
    return keys.count > 1 ? .and(keys) : keys.first
  }

  func matches(_ row: ListedMessage, internalDate: IMAPDateTime?) -> Bool {
    if unseen, row.isSeen { return false }
    if let from {
      guard Self.contains(row.from, from) || Self.contains(row.fromAddress, from) else { return false }
    }
    if let subject, !Self.contains(row.subject, subject) { return false }
    if let since {
      guard let internalDate else { return false }
      let seconds = internalDate.seconds + Int64(internalDate.zoneMinutes) * 60
      guard IMAPDay(Int32(clamping: Int64((Double(seconds) / 86_400).rounded(.down)))) >= since else { return false }
    }
    return true
  }

  private static func contains(_ text: String, _ part: String) -> Bool {
    part.isEmpty || text.lowercased().contains(part.lowercased())
  }
}
