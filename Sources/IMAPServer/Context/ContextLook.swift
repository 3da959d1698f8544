import IMAPCore
import MailStore

/// What a look at messages that have changed makes of the results of one search. Pure: where there are many results, it is
/// worked out elsewhere than on the event loop.
struct ContextLook: Sendable {
  /// New results of a sorted search are still to be put into it.
  private(set) var update: ContextUpdate
  /// New results, ascending.
  let fresh: [UID]
  /// All results, ascending.
  let byUID: [UID]
  private let usesUIDs: Bool

  /// - Parameters:
  ///   - looked: the messages looked at, ascending.
  ///   - found: those of them that are results now, ascending.
  init(_ context: SearchContexts.Context, _ looked: [UID], _ found: [UID], _ told: MailboxSnapshot) {
    let byUID = context.byUID
    let usesUIDs = context.search.uid
    let gone = looked.filter { byUID.holds(ascending: $0) && !found.holds(ascending: $0) }
    let fresh = found.filter { !byUID.holds(ascending: $0) }
    func number(_ uid: UID) -> UInt32 { Self.number(of: uid, usesUIDs: usesUIDs, told) }
    var update = ContextUpdate(context.members, isSorted: context.sort != nil, without: Set(gone), number: number)
    if context.sort == nil {
      update.insert(fresh, number: number)
      self.byUID = update.members
    } else {
      self.byUID = byUID.removing(ascending: gone).merging(ascending: fresh)
    }
    (self.update, self.fresh, self.usesUIDs) = (update, fresh, usesUIDs)
  }

  /// The results that are there, to be sorted. `synced`: the mailbox as it is, if some of what is told has gone from it.
  func indexes(_ told: MailboxSnapshot, _ synced: MailboxSnapshot?) -> IndexRanges {
    var indexes = IndexRanges()
    for uid in byUID {
      if let index = told.index(of: uid), synced.map({ $0.index(of: uid) != nil }) ?? true { indexes.append(index) }
    }
    return indexes
  }

  /// With the new results at their places.
  func placed(_ order: [UID], _ told: MailboxSnapshot) -> ContextUpdate {
    var update = update
    let usesUIDs = usesUIDs
    update.insert(Set(fresh), in: order) { Self.number(of: $0, usesUIDs: usesUIDs, told) }
    return update
  }

  private static func number(of uid: UID, usesUIDs: Bool, _ told: MailboxSnapshot) -> UInt32 {
    usesUIDs ? uid : UInt32(clamping: (told.index(of: uid) ?? 0) + 1)
  }
}
