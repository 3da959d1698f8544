import IMAPCore
import MailStore
import NIOCore

extension IMAPSession {
  /// A store call, its error made the command's.
  func storeCall<Result: Sendable>(
    _ body: (any MailStore) async throws(StoreError) -> Result
  ) async throws(CommandError) -> Result {
    do throws(StoreError) {
      return try await body(listener.store)
    } catch {
      throw .store(error)
    }
  }

  func accountID() throws(CommandError) -> AccountID {
    guard let account else { throw .bad("Log in first") }
    return account.id
  }

  func selectedView() throws(CommandError) -> MailboxView {
    guard let view else { throw .bad("Select a mailbox first") }
    return view
  }

  /// The selected mailbox, if it may be written to.
  func writableView() throws(CommandError) -> MailboxView {
    let view = try selectedView()
    guard !view.isReadOnly else { throw .no(.readOnly, "The mailbox is selected read-only") }
    return view
  }

  /// Parameters of extensions that are not there yet (RFC 4466 §2.1: BAD).
  func refuse(_ modifiers: [CommandModifier]) throws(CommandError) {
    if let first = modifiers.first { throw .bad("Unknown parameter \(first.name)") }
  }

  /// The messages a set means, by their index in the view. The view is brought up to date before, but for expunges.
  func resolve(_ set: MessageSet, uid: Bool) throws(CommandError) -> IndexRanges {
    tell(expunge: false, includeUID: isRev2 || uid)
    guard !isOver else { throw .connectionClosed }
    let view = try selectedView()
    let (indexes, exceeds) = view.indexes(of: set, uid: uid)
    // RFC 9051 §9, seq-number: a number beyond the last message should be BAD, `*` in an empty mailbox too.
    if exceeds { throw .bad("No message has that number") }
    return indexes
  }
}

extension MailboxView {
  /// - Returns: `exceeds`: some sequence number lies beyond the last message.
  func indexes(of set: MessageSet, uid: Bool) -> (indexes: IndexRanges, exceeds: Bool) {
    var ranges: [Range<Int>] = []
    var exceeds = false
    if uid {
      for uids in set.resolvedUIDs(last: told.count > 0 ? told.lastUID : told.uidNext) {
        let lower = told.lowerBound(uids.lowerBound)
        let upper = uids.upperBound == .max ? told.count : told.lowerBound(uids.upperBound + 1)
        if lower < upper { ranges.append(lower..<upper) }
      }
    } else {
      let resolved = set.resolvedSequenceNumbers(count: told.count)
      exceeds = resolved.exceedsMailbox
      ranges = resolved.ranges.map { Int($0.lowerBound) - 1..<Int($0.upperBound) }
    }
    if set.includesSavedResult {
      // RFC 9051 §6.4.4.1: expunged messages are no longer part of it.
      for uid in saved {
        if let index = told.index(of: uid), !isGhost(uid) { ranges.append(index..<index + 1) }
      }
    }
    return (IndexRanges(merging: ranges), exceeds)
  }
}
