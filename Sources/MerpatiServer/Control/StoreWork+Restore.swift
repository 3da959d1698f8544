import IMAPCore
import IMAPServer
import MailStore
import NIOCore

/// Rights and annotations of a backup's mailboxes.
extension StoreWork {
  @concurrent
  func restore(_ wanted: RestoredMailbox) async throws -> RestoredMailboxReport {
    guard let account = try await store.account(named: wanted.account) else {
      throw StoreError.noSuchAccount(wanted.account)
    }
    var report = RestoredMailboxReport()
    var mailbox: MailboxID?
    if let name = wanted.mailbox {
      var info = try await store.mailbox(named: name, of: account.id)
      let isThere = info?.isSelectable == true
      if !isThere {
        let use = wanted.specialUse.flatMap { SpecialUse(rawValue: $0) }
        info = try await store.prepareImport(ImportedMailbox(name: name, specialUse: use), of: account.id)
      }
      guard let found = info else { throw StoreError.noSuchMailbox(name) }
      mailbox = found.id
      if let grants = wanted.grants, !isThere || wanted.isNew {
        try await share(MailboxRef(account: account.id, mailbox: found.id), found.name, account, grants, &report)
      }
    }
    for (viewer, entries) in Dictionary(grouping: wanted.entries, by: \.viewer) {
      try await annotate(mailbox, of: account, as: viewer, entries, &report)
    }
    return report
  }

  /// The list becomes that of the backup, whatever a new mailbox has got from the one above it.
  private func share(
    _ ref: MailboxRef, _ name: String, _ owner: Account, _ grants: [RestoredMailbox.Grant],
    _ report: inout RestoredMailboxReport
  ) async throws {
    var kept: [AccessEntry] = []
    for grant in grants {
      let rights = MailboxRights(rawValue: grant.rights)
      var grantee = Grantee.anyone
      if let person = grant.person {
        guard let found = try await here(person) else {
          let letters = AccessRights(rawValue: rights.rawValue).plain
          report.leftOut.append(
            "\(person.name) had \(grant.isNegative ? "no " : "")\(letters) and is not the same account here, if there is one: "
              + "see 'merpati acl set \(owner.name) \(name) \(person.name) \(letters)\(grant.isNegative ? " --negative" : "")'"
          )
          continue
        }
        grantee = .account(found)
      }
      // Who once was somebody else may be the owner now.
      guard grantee != .account(owner.id) else { continue }
      kept.append(AccessEntry(grantee, isNegative: grant.isNegative, rights))
    }
    func isKept(_ entry: AccessEntry) -> Bool {
      kept.contains { $0.grantee == entry.grantee && $0.isNegative == entry.isNegative }
    }
    for entry in try await store.accessList(of: ref) where !isKept(entry) {
      try await store.changeAccess(AccessChange(.replace, entry.grantee, isNegative: entry.isNegative, []), of: ref)
    }
    for entry in kept {
      try await store.changeAccess(
        AccessChange(.replace, entry.grantee, isNegative: entry.isNegative, entry.rights), of: ref)
      report.grants += 1
    }
  }

  /// Entries that are there stay as they are.
  private func annotate(
    _ mailbox: MailboxID?, of owner: Account, as person: RestoredMailbox.Person?,
    _ entries: [RestoredMailbox.Entry], _ report: inout RestoredMailboxReport
  ) async throws {
    var viewer = owner.id
    if let person {
      guard let found = try await here(person), found != owner.id else {
        report.leftOut.append("\(entries.count) annotations of \(person.name), who is not the same account here")
        return
      }
      viewer = found
    }
    let there = Set((try await store.annotations(of: owner.id, as: viewer)[mailbox] ?? []).map(\.entry))
    let changes = entries.filter { !there.contains($0.entry) }.map {
      AnnotationChange($0.entry, ByteBuffer(bytes: $0.value))
    }
    guard !changes.isEmpty else { return }
    var isDone = false
    do throws(StoreError) {
      isDone = try await store.setAnnotations(
        changes, in: mailbox, of: owner.id, as: viewer, limits: ServerEntry.limits, by: [])
    } catch {
      guard case .overQuota = error else { throw error }
    }
    if isDone {
      report.entries += changes.count
    } else {
      report.leftOut.append("\(changes.count) annotations, for which there is no room")
    }
  }

  /// Nil: that account is not here any more, or never was.
  private func here(_ person: RestoredMailbox.Person) async throws -> AccountID? {
    guard let account = try await store.account(AccountID(person.number)), account.created == person.created else {
      return nil
    }
    return account.id
  }
}
