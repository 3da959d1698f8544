import IMAPCore
import MailNet
import MailStore
import NIOCore

/// Where a name leads: to a mailbox of the account itself, or of another.
struct Place: Sendable {
  var account: AccountID
  /// As that account calls it.
  var name: String
  var isOwn: Bool
}

/// A mailbox that is there, and what this session may do in it.
struct FoundMailbox: Sendable {
  var account: AccountID
  /// Named as its owner names it; counters as this account sees them.
  var info: MailboxInfo
  var rights: MailboxRights
  var isOwn: Bool
  var ref: MailboxRef { MailboxRef(account: account, mailbox: info.id) }
  /// What messages may bring along (RFC 4314 §4).
  var scope: FlagScope { isOwn ? .all : FlagScope(rights) }
  /// RFC 9051 §6.3.12: who may put messages into it and not select it MUST NOT be told their UIDs.
  var showsUIDs: Bool { isOwn || rights.contains(.read) }
}

extension AssignedUIDs {
  /// APPENDUID (RFC 9051 §6.3.12), if `target` may be looked into.
  func appended(to target: FoundMailbox) -> ResponseCode? {
    target.showsUIDs ? .appendUID(validity: uidValidity, assigned: assigned) : nil
  }
}

extension IMAPSession {
  /// Names of one's own cost no look. A mailbox of one's own that is called like one of others goes before it. Nil: nothing
  /// can be there.
  func place(_ name: MailboxName) async throws(CommandError) -> Place? {
    let account = try accountID()
    let string = name.string
    let meaning = listener.namespaces.meaning(of: string)
    if meaning == .own { return Place(account: account, name: string, isOwn: true) }
    let own = try await storeCall { store throws(StoreError) in try await store.mailbox(named: string, of: account) }
    if own != nil { return Place(account: account, name: string, isOwn: true) }
    guard case .others(let user, let inner) = meaning else { return nil }
    let owner = try await storeCall { store throws(StoreError) in try await store.account(named: user) }
    guard let owner else { return nil }
    // Whoever logs in as the public account has its mailboxes under both names.
    return Place(account: owner.id, name: inner, isOwn: owner.id == account)
  }

  /// The mailbox of this name, if this account may do there what `needs` says; of `anyOf` one right is enough.
  ///
  /// RFC 4314 §6: where the right is missing, and `l` as well, the answer is that of a name that does not exist.
  func find(
    _ name: MailboxName, _ needs: MailboxRights, anyOf: MailboxRights = .all
  ) async throws(CommandError) -> FoundMailbox {
    guard let place = try await place(name) else { throw .store(.noSuchMailbox(name.string)) }
    let info = try await storeCall { store throws(StoreError) in
      try await store.mailbox(named: place.name, of: place.account)
    }
    guard let info else { throw .store(.noSuchMailbox(name.string)) }
    guard !place.isOwn else { return FoundMailbox(account: place.account, info: info, rights: .all, isOwn: true) }
    let account = try accountID()
    let ref = MailboxRef(account: place.account, mailbox: info.id)
    let rights = store.rights(of: account, in: ref)
    guard rights.isSuperset(of: needs), !rights.isDisjoint(with: anyOf) else {
      throw Self.refusal(rights, name)
    }
    let own = try await storeCall { store throws(StoreError) in try await store.mailbox(ref, as: account) }
    guard let own else { throw .store(.noSuchMailbox(name.string)) }
    return FoundMailbox(account: place.account, info: own, rights: rights, isOwn: false)
  }

  /// The name of a mailbox of somebody else as LIST spells it.
  func shownName(_ found: FoundMailbox, _ name: MailboxName) async throws(CommandError) -> String {
    let owner = try await storeCall { store throws(StoreError) in try await store.account(found.account) }
    return owner.flatMap { listener.namespaces.name(of: found.info.name, owner: $0.name) } ?? name.storeString
  }

  static func refusal(_ rights: MailboxRights, _ name: MailboxName) -> CommandError {
    rights.contains(.lookup) ? .no(.noPerm, "You have no right to do that") : .store(.noSuchMailbox(name.string))
  }

  /// A mailbox that messages can be put into or read from.
  func findSelectable(_ name: MailboxName, _ needs: MailboxRights) async throws(CommandError) -> FoundMailbox {
    let found = try await find(name, needs)
    guard found.info.isSelectable else { throw .store(.notSelectable(name.string)) }
    return found
  }

  /// Nil: there is none, or none that this account may read.
  func readable(_ name: MailboxName) async throws(CommandError) -> FoundMailbox? {
    do throws(CommandError) { return try await findSelectable(name, .read) } catch {
      switch error {
      case .no, .store(.noSuchMailbox), .store(.notSelectable): return nil
      default: throw error
      }
    }
  }

  // MARK: Listing

  /// The account's mailboxes and those that others share with it, as one listing.
  func listing() async throws(CommandError) -> SessionListing {
    let account = try accountID()
    let own = try await storeCall { store throws(StoreError) in try await store.mailboxes(of: account) }
    let shared = try await storeCall { store throws(StoreError) in
      try await store.sharedMailboxes(with: account, of: nil)
    }
    return SessionListing(own, shared, listener.namespaces)
  }
}

/// All mailboxes that a session may know of, under the names it knows them by.
struct SessionListing: Sendable {
  /// Ids of mailboxes of others are `SharedMailbox.listedID`.
  var listing: MailboxListing
  /// Those of others, by name.
  var shared: [String: SharedMailbox]
  /// What NOTIFY cannot tell of mailboxes that may be seen, as a right is missing.
  private(set) var denied: [MailboxID: NotifyEvents] = [:]

  /// RFC 4314 §4: what is not given `l` does not exist.
  init(_ own: MailboxListing, _ mailboxes: [SharedMailbox], _ namespaces: Namespaces) {
    listing = own
    shared = [:]
    guard !mailboxes.isEmpty else { return }
    let taken = Set(own.mailboxes.lazy.map(\.name))
    var subscribed = Set(own.subscribedWithoutMailbox)
    for mailbox in mailboxes where mailbox.rights.contains(.lookup) {
      guard let name = namespaces.name(of: mailbox.info.name, owner: mailbox.ownerName), !taken.contains(name) else {
        continue
      }
      var info = mailbox.info
      info.id = mailbox.listedID
      info.name = name
      info.isSubscribed = subscribed.remove(name) != nil
      let events = mailbox.deniedEvents
      if !events.isEmpty { denied[info.id] = events }
      // RFC 9051 §6.3.9.8: what cannot be selected is told so.
      info.isSelectable = info.isSelectable && mailbox.rights.contains(.read)
      // What somebody else keeps his drafts in is no place for one's own.
      info.specialUse = nil
      listing.mailboxes.append(info)
      shared[name] = mailbox
    }
    listing.subscribedWithoutMailbox.removeAll { !subscribed.contains($0) }
  }
}

extension SharedMailbox {
  /// Messages are told of to whoever has `r`, annotations to whoever may read them (RFC 5464 §3.3).
  fileprivate var deniedEvents: NotifyEvents {
    var events: NotifyEvents = []
    if info.isSelectable, !rights.contains(.read) { events.formUnion(.messages) }
    if !rights.showsAnnotations { events.insert(.mailboxMetadataChange) }
    return events
  }

  /// Apart from the ids of all mailboxes of the account itself, which are smaller.
  var listedID: MailboxID { MailboxRef(account: owner, mailbox: info.id).listedID }
}

extension MailboxRef {
  var listedID: MailboxID { MailboxID(account.rawValue << 36 | mailbox.rawValue) }
}
