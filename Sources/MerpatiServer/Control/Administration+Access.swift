import IMAPCore
import MailStore

/// `merpati acl`: what SETACL and GETACL do, for the administrator.
extension Administration {
  func access(of account: Account, _ mailbox: String?) async throws -> [AccessReport] {
    var infos = try await store.mailboxes(of: account.id).mailboxes
    if let mailbox {
      guard let info = try await store.mailbox(named: mailbox, of: account.id) else {
        throw StoreError.noSuchMailbox(mailbox)
      }
      infos = [info]
    }
    var reports: [AccessReport] = []
    for info in infos {
      for entry in try await store.accessList(of: MailboxRef(account: account.id, mailbox: info.id)) {
        guard let name = try await identifier(entry.grantee) else { continue }
        reports.append(
          AccessReport(
            mailbox: info.name, identifier: (entry.isNegative ? "-" : "") + name,
            rights: AccessRights(rawValue: entry.rights.rawValue).plain))
      }
    }
    return reports
  }

  /// Empty `rights`: the line is removed.
  func changeAccess(
    of account: Account, _ mailbox: String, _ identifier: String, _ rights: String
  ) async throws -> String {
    guard let info = try await store.mailbox(named: mailbox, of: account.id) else {
      throw StoreError.noSuchMailbox(mailbox)
    }
    guard let who = AccessIdentifier(text: identifier) else { throw ControlFailure(.usage, "nobody is named") }
    var grantee = Grantee.anyone
    if who.name != "anyone" { grantee = .account(try await self.account(who.name).id) }
    guard grantee != .account(account.id) else {
      throw ControlFailure(.data, "\(account.name) owns the mailbox and has all rights in it")
    }
    let sign = rights.first
    let letters = sign == "+" || sign == "-" ? String(rights.dropFirst()) : rights
    guard let parsed = AccessRights(letters: letters) else {
      throw ControlFailure(
        .usage, "'\(rights)' are no rights: letters of \(AccessRights.all.plain), perhaps behind + or -")
    }
    let mode: AccessChange.Mode = sign == "+" ? .add : sign == "-" ? .remove : .replace
    let ref = MailboxRef(account: account.id, mailbox: info.id)
    try await store.changeAccess(
      AccessChange(mode, grantee, isNegative: who.isNegative, MailboxRights(rawValue: parsed.rawValue)), of: ref)
    let now = try await store.accessList(of: ref).first { $0.grantee == grantee && $0.isNegative == who.isNegative }
    guard let now else { return "\(info.name): \(identifier) has no line any more" }
    return "\(info.name): \(identifier) \(AccessRights(rawValue: now.rights.rawValue).plain)"
  }

  private func identifier(_ grantee: Grantee) async throws -> String? {
    switch grantee {
    case .anyone: "anyone"
    case .account(let id): try await store.account(id)?.name
    }
  }
}
