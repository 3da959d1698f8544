import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// STATUS (RFC 9051 §6.3.11).
  func status(_ command: StatusCommand) async throws(CommandError) -> Completion {
    // RFC 7162 §3.1
    if command.items.contains(.highestModSeq) { enableCondStore() }
    let found = try await findSelectable(command.mailbox, .read)
    let values = try await statusValues(found.info, command.items, found.account)
    connection.out.writeStatus(command.mailbox, command.items, values, wire)
    return .ok("STATUS completed")
  }

  /// Counters cost nothing; RECENT and DELETED-STORAGE look into the mailbox where they are not nought anyway.
  func statusValues(
    _ info: MailboxInfo, _ items: [StatusItem], _ account: AccountID
  ) async throws(CommandError) -> StatusValues {
    var values = StatusValues(
      messages: info.messages, uidNext: info.uidNext, uidValidity: info.uidValidity, unseen: info.unseen,
      deleted: info.deleted, size: info.bytes, appendLimit: Int64(settings.appendLimit),
      highestModSeq: info.highestModSeq, mailboxID: ObjectIdentifiers.mailbox(info, of: account))
    // Nothing is recent to whoever is not the owner.
    let wantsRecent =
      items.contains(.recent) && account == self.account?.id && info.messages > 0 && info.recentFloor < info.uidNext
    let wantsDeleted = items.contains(.deletedStorage) && info.deleted > 0
    guard wantsRecent || wantsDeleted else { return values }
    let mailbox = try await storeCall { store throws(StoreError) in
      try await store.openMailbox(info.name, of: account, onChange: {})
    }
    defer { mailbox.close() }
    guard let snapshot = mailbox.current else { return values }
    if wantsRecent { values.recent = snapshot.count - snapshot.lowerBound(info.recentFloor) }
    if wantsDeleted {
      var uids: [UID] = []
      snapshot.forEach(in: 0..<snapshot.count) { _, entry in
        if entry.flags.contains(.deleted) { uids.append(entry.uid) }
      }
      let octets = try await sumOfSizes(uids, mailbox.ref)
      // RFC 9208 §5.1: in units of 1024 octets.
      values.deletedStorage = (octets + 1023) / 1024
    }
    return values
  }

  /// RFC822.SIZE of these messages together; those that are gone count nothing.
  func sumOfSizes(_ uids: [UID], _ ref: MailboxRef) async throws(CommandError) -> Int64 {
    let sum = SizeSum()
    var rest = uids[...]
    while !rest.isEmpty {
      let slice = rest.prefix(settings.messagesPerVisit)
      let done = try await storeCall { store throws(StoreError) in
        try await store.visit(ref, slice, needs: .dates) { row throws(StoreError) in
          sum.octets += Int64(row.size)
          return .next
        }
      }
      guard !isOver else { throw .connectionClosed }
      rest = rest.dropFirst(max(done, 1))
    }
    return sum.octets
  }
}

/// `@unchecked Sendable`: written by the visitor, row after row, read when the visit has returned.
private final class SizeSum: @unchecked Sendable {
  var octets: Int64 = 0
}
