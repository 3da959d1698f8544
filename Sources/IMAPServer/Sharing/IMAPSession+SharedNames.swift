import IMAPCore
import MailNet
import MailStore
import NIOCore

/// Names of mailboxes of others that are made, taken away and subscribed.
extension IMAPSession {
  /// Where CREATE makes a mailbox, and RENAME puts one. RFC 4314 §4: of a mailbox of somebody else the nearest one above
  /// that there is must give `k`. What is above, and whose, is not told.
  func placeToCreate(_ name: MailboxName) async throws(CommandError) -> Place {
    let refusal = CommandError.no(.noPerm, "You have no right to make a mailbox of this name")
    guard let place = try await place(name) else { throw refusal }
    guard !place.isOwn else { return place }
    let account = try accountID()
    for parent in ListPlan.parents(of: MailboxName(place.name).storeString) {
      let info = try await storeCall { store throws(StoreError) in
        try await store.mailbox(named: parent, of: place.account)
      }
      guard let info else { continue }
      guard store.rights(of: account, in: MailboxRef(account: place.account, mailbox: info.id)).contains(.create) else {
        throw refusal
      }
      return place
    }
    // Above all is only the owner.
    throw refusal
  }

  /// RFC 4314 §6: that a mailbox exists which this account may not see, is not told.
  func hidden(_ error: CommandError, at place: Place) async throws(CommandError) -> CommandError {
    guard !place.isOwn, case .store(.mailboxExists) = error else { return error }
    let account = try accountID()
    let info = try await storeCall { store throws(StoreError) in
      try await store.mailbox(named: place.name, of: place.account)
    }
    guard let info else { return error }
    let rights = store.rights(of: account, in: MailboxRef(account: place.account, mailbox: info.id))
    return rights.contains(.lookup) ? error : .no(.noPerm, "You have no right to make a mailbox of this name")
  }

  /// A mailbox, or a subscription, of this account under a name that others may have as well.
  func isOwn(_ name: MailboxName) async throws(CommandError) -> Bool { try await place(name)?.isOwn == true }

  /// The subscription stands in this account, by name.
  func subscribeShared(_ name: MailboxName, _ subscribed: Bool) async throws(CommandError) -> Completion {
    let account = try accountID()
    var spelling = name.storeString
    if subscribed {
      spelling = try await shownName(try await find(name, .lookup), name)
    } else if case .others(let user, let inner) = listener.namespaces.meaning(of: spelling) {
      // RFC 4314 §4: that needs no right, and tells nothing.
      let owner = try await storeCall { store throws(StoreError) in try await store.account(named: user) }
      if let owner { spelling = listener.namespaces.name(of: MailboxName(inner).string, owner: owner.name) ?? spelling }
    }
    let wanted = spelling
    try await storeCall { store throws(StoreError) in
      try await store.setSubscribed(subscribed, toShared: wanted, of: account)
    }
    notify?.own = .subscription(wanted, subscribed)
    return .ok(subscribed ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed")
  }
}
