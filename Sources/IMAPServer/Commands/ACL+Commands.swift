import IMAPCore
import MailNet
import MailStore
import NIOCore
import SASL

/// Access control lists (RFC 4314 §3).
extension IMAPSession {
  /// SETACL
  func setACL(_ command: SetACLCommand) async throws(CommandError) -> Completion {
    let identifier = try prepared(command.identifier)
    let found = try await find(command.mailbox, .administer)
    let grantee = try await grantee(identifier)
    let rights = MailboxRights(command.rights)
    if grantee == .account(found.account) {
      let givesAll = !identifier.isNegative && command.mode == .replace && rights == .all
      guard givesAll || !identifier.isNegative && command.mode == .add else { throw Self.ownerHasAll }
    }
    let mode: AccessChange.Mode =
      switch command.mode {
      case .add: .add
      case .remove: .remove
      case .replace: .replace
      }
    try await change(AccessChange(mode, grantee, isNegative: identifier.isNegative, rights), found)
    return .ok("SETACL completed")
  }

  /// DELETEACL
  func deleteACL(_ command: AccessCommand) async throws(CommandError) -> Completion {
    let identifier = try prepared(command.identifier)
    let found = try await find(command.mailbox, .administer)
    let grantee = try await grantee(identifier)
    if grantee == .account(found.account), !identifier.isNegative { throw Self.ownerHasAll }
    try await change(AccessChange(.replace, grantee, isNegative: identifier.isNegative, []), found)
    return .ok("DELETEACL completed")
  }

  private static let ownerHasAll = CommandError.no(.cannot, "The owner of a mailbox has all rights in it")

  private func change(_ change: AccessChange, _ found: FoundMailbox) async throws(CommandError) {
    do throws(CommandError) {
      try await storeCall { store throws(StoreError) in try await store.changeAccess(change, of: found.ref) }
    } catch {
      // Removed a moment ago.
      if case .store(.noSuchAccount) = error { throw Self.noSuchIdentifier }
      throw error
    }
  }

  /// GETACL: the owner first.
  func getACL(_ name: MailboxName) async throws(CommandError) -> Completion {
    let found = try await find(name, .administer)
    let list = try await storeCall { store throws(StoreError) in try await store.accessList(of: found.ref) }
    var entries: [(identifier: AccessIdentifier, rights: AccessRights)] = []
    if let owner = try await identifier(.account(found.account)) { entries.append((AccessIdentifier(owner), .all)) }
    for entry in list {
      guard let text = try await identifier(entry.grantee) else { continue }
      entries.append((AccessIdentifier(text, isNegative: entry.isNegative), AccessRights(entry.rights)))
    }
    guard !isOver else { throw .connectionClosed }
    connection.out.writeACL(name, entries, wire)
    return .ok("GETACL completed")
  }

  /// LISTRIGHTS: the owner always has all, everybody else may be given each by itself. What the client called him comes back
  /// (RFC 4314 §3.4).
  func listRights(_ command: AccessCommand) async throws(CommandError) -> Completion {
    let identifier = try prepared(command.identifier)
    let found = try await find(command.mailbox, .administer)
    let grantee = try await grantee(identifier)
    guard !isOver else { throw .connectionClosed }
    let isOwner = grantee == .account(found.account) && !identifier.isNegative
    connection.out.writeListRights(command.mailbox, command.identifier, required: isOwner ? .all : [], wire)
    return .ok("LISTRIGHTS completed")
  }

  /// MYRIGHTS
  func myRights(_ name: MailboxName) async throws(CommandError) -> Completion {
    // RFC 4314 §4
    let found = try await find(name, [], anyOf: .any)
    guard !isOver else { throw .connectionClosed }
    connection.out.writeMyRights(name, AccessRights(found.rights), wire)
    return .ok("MYRIGHTS completed")
  }

  // MARK: Identifiers

  /// RFC 4314 §3: prepared as names of users are; what cannot be is BAD.
  private func prepared(_ identifier: AccessIdentifier) throws(CommandError) -> AccessIdentifier {
    guard let name = SASLprep.prepare(identifier.name), !name.isEmpty else { throw .bad("Not an identifier") }
    return AccessIdentifier(name, isNegative: identifier.isNegative)
  }

  private static let noSuchIdentifier = CommandError.no(.nonExistent, "No account has this name")

  private func grantee(_ identifier: AccessIdentifier) async throws(CommandError) -> Grantee {
    if identifier.name == "anyone" { return .anyone }
    let name = identifier.name
    let account = try await storeCall { store throws(StoreError) in try await store.account(named: name) }
    guard let account else { throw Self.noSuchIdentifier }
    return .account(account.id)
  }

  /// Nil: the account is gone.
  private func identifier(_ grantee: Grantee) async throws(CommandError) -> String? {
    switch grantee {
    case .anyone: return "anyone"
    case .account(let id):
      return try await storeCall { store throws(StoreError) in try await store.account(id) }?.name
    }
  }
}
