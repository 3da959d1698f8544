import IMAPCore
import MailStore

extension Notify {
  /// The names of an account as a client knows them, and as they are. Pure, so that it can be looked at anywhere.
  struct Comparison: Sendable {
    var known: [MailboxID: Known]
    var lone: Set<String>
    /// Names of which everything is told anew.
    var unsure: Set<String> = []
    var filters: NotifyFilters
    var own: OwnNameChange?
    var listing: MailboxListing
    var denied: [MailboxID: NotifyEvents] = [:]
    /// Lines that are told at most.
    var limit: Int

    struct Result: Sendable {
      var changes: NameChanges
      /// The entries as they are now.
      var known: [MailboxID: Known]
      var lone: Set<String>
      /// Names with something below them; empty where no line asks for it.
      var parents: Set<String> = []
    }

    func result() -> Result {
      let before = known.mapValues {
        NameChanges.Before(
          name: $0.name, isSelectable: $0.isSelectable, isSubscribed: $0.isSubscribed, denied: $0.denied)
      }
      let changes = NameChanges(
        from: before, lone: lone, to: listing, denied: denied, filters, own: own, limit: limit)
      var result = Result(changes: changes, known: [:], lone: Set(listing.subscribedWithoutMailbox))
      if !changes.isTooMuch { result.known = entries(changes) }
      if !changes.isTooMuch, !changes.lines.isEmpty {
        for info in listing.mailboxes { result.parents.formUnion(ListPlan.parents(of: info.name)) }
      }
      return result
    }

    /// Under its new name more is told of it than under the old one, so that its client knows less than the entry: what it
    /// thinks may even be of another mailbox that had the new name.
    private func hearsMore(_ old: Known, _ info: MailboxInfo) -> Bool {
      guard old.name != info.name else { return false }
      let before = filters.events(old.name, isSubscribed: old.isSubscribed)
      return !filters.messageEvents(info).isSubset(of: before)
    }

    private func entries(_ changes: NameChanges) -> [MailboxID: Known] {
      let names = Set(known.values.map(\.name))
      var next: [MailboxID: Known] = Dictionary(minimumCapacity: listing.mailboxes.count)
      for info in listing.mailboxes {
        var entry = Known(info)
        if let events = denied[info.id] { entry.denied = events }
        let old = known[info.id]
        let isUnsure = unsure.contains(info.name) || old.map { unsure.contains($0.name) } == true
        // A client that does not hear of names takes it for what stood there before (RFC 5465 §5.1: UIDVALIDITY has changed).
        let hasMoved = old.map { $0.name != info.name || $0.isSelectable != info.isSelectable } ?? true
        let isUnfollowed = hasMoved && (!changes.followed.contains(info.id) || old.map { hearsMore($0, info) } == true)
        let isRetold = isUnsure || isUnfollowed || changes.retold.contains(info.id)
        if let old, old.isSelectable == info.isSelectable, !isRetold {
          (entry.uidNext, entry.messages, entry.unseen, entry.modSeq) = (
            old.uidNext, old.messages, old.unseen, old.modSeq
          )
          entry.uidValidity = old.uidValidity
          (entry.isNew, entry.isReplacement) = (old.isNew, old.isReplacement)
        } else {
          entry.isNew = true
          entry.isReplacement = isRetold || names.contains(info.name)
        }
        next[info.id] = entry
      }
      return next
    }
  }
}
