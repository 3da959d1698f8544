import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// CREATE (RFC 9051 §6.3.4, RFC 6154 §3).
  func create(_ command: CreateCommand) async throws(CommandError) -> Completion {
    try refuse(command.modifiers)
    let account = try accountID()
    if let unknown = command.unknownUses.first { throw .no(.useAttr, "Unknown use \(unknown)") }
    // A mailbox has one use here; RFC 6154 §3: if not all can be given, the mailbox is not created.
    var use: SpecialUse?
    if !command.specialUses.isEmpty {
      guard let name = command.specialUses.name, let single = SpecialUse(rawValue: name) else {
        throw .no(.useAttr, "A mailbox can have one use only")
      }
      // These two show what is in other mailboxes. `\Important` may be advice for the client alone (RFC 8457 §3).
      guard single != .all, single != .flagged else {
        throw .no(.useAttr, "\(name) is not supported")
      }
      use = single
    }
    let name = command.mailbox.string
    let wanted = use
    let info = try await storeCall { store throws(StoreError) in
      try await store.createMailbox(name, of: account, specialUse: wanted)
    }
    notify?.own = .create(info.name)
    // RFC 8474 §4.1
    return .ok("CREATE completed", code: .mailboxID(ObjectIdentifiers.mailbox(info, of: account)))
  }

  /// DELETE (RFC 9051 §6.3.5). A session that deletes its own selected mailbox is left without one.
  func delete(_ name: MailboxName) async throws(CommandError) -> Completion {
    let account = try accountID()
    try await storeCall { store throws(StoreError) in try await store.deleteMailbox(name.string, of: account) }
    notify?.own = .delete(name.storeString)
    guard !isOver else { throw .connectionClosed }
    if let view, view.mailbox.current == nil {
      leaveMailbox()
      say(.ok, .closed, "The selected mailbox was deleted")
    }
    return .ok("DELETE completed")
  }

  /// RENAME (RFC 9051 §6.3.6).
  func rename(_ command: RenameCommand) async throws(CommandError) -> Completion {
    let account = try accountID()
    try await storeCall { store throws(StoreError) in
      try await store.renameMailbox(command.from.string, to: command.to.string, of: account)
    }
    notify?.own = .rename(command.from.storeString, to: command.to.storeString)
    return .ok("RENAME completed")
  }

  /// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8). The name need not exist.
  func subscribe(_ name: MailboxName, _ subscribed: Bool) async throws(CommandError) -> Completion {
    let account = try accountID()
    try await storeCall { store throws(StoreError) in
      try await store.setSubscribed(subscribed, name.string, of: account)
    }
    notify?.own = .subscription(name.storeString, subscribed)
    return .ok(subscribed ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed")
  }
}
