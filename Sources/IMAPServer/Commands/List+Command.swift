import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// LIST, basic and extended (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154).
  func list(_ command: ListCommand) async throws(CommandError) -> Completion {
    if !command.isExtended, command.patterns == [""] {
      // RFC 9051 §6.3.9: a request for the delimiter and the root of the reference; ours is empty.
      connection.out.writeList(ListResponse(MailboxName(""), attributes: .noSelect), wire)
      return .ok("LIST completed")
    }
    let account = try accountID()
    if command.statusItems.contains(.highestModSeq) { enableCondStore() }
    let selection = command.selection ?? []
    let query = ListQuery(
      // RFC 9051 §6.3.9: empty patterns of the extended form are passed over.
      patterns: command.patterns.filter { !$0.isEmpty }.map { .init(reference: command.reference, name: $0) },
      isExtended: command.isExtended, selectsSubscribed: selection.contains(.subscribed),
      selectsSpecialUse: selection.contains(.specialUse), recursiveMatch: selection.contains(.recursiveMatch),
      returnsSubscribed: command.returns?.contains(.subscribed) == true)
    let listing = try await storeCall { store throws(StoreError) in try await store.mailboxes(of: account) }
    guard !isOver else { throw .connectionClosed }
    let rows = await ListPlan.rows(listing, query)
    guard !isOver else { throw .connectionClosed }
    let metadata =
      command.metadata.isEmpty
      ? [:] : try await storeCall { store throws(StoreError) in try await store.annotations(of: account) }
    guard !isOver else { throw .connectionClosed }
    for (count, row) in rows.enumerated() {
      connection.out.writeList(
        ListResponse(MailboxName(row.name), attributes: row.attributes, hasSubscribedChild: row.hasChildInfo), wire)
      // RFC 5819 §2: STATUS for what can be selected and met the selection itself.
      if !command.statusItems.isEmpty, row.isSelected, let info = row.info, info.isSelectable,
        let values = try await statusIfPossible(info, command.statusItems, account)
      {
        connection.out.writeStatus(MailboxName(row.name), command.statusItems, values, wire)
      }
      // RFC 9590 §3
      if !command.metadata.isEmpty, row.isSelected, let info = row.info, info.isSelectable {
        let name = MailboxName(row.name)
        let values = MetadataLookup(metadata[info.id] ?? []).values(GetMetadataCommand(name, command.metadata)).values
        connection.out.writeMetadata(name, values, wire)
        guard await drained() else { throw .connectionClosed }
      }
      if count & 255 == 255 {
        guard await drained() else { throw .connectionClosed }
      }
    }
    return .ok("LIST completed")
  }

  /// RFC 5819 §2: a STATUS that cannot be had is left out.
  private func statusIfPossible(
    _ info: MailboxInfo, _ items: [StatusItem], _ account: AccountID
  ) async throws(CommandError) -> StatusValues? {
    do throws(CommandError) {
      return try await statusValues(info, items, account)
    } catch {
      guard !isOver else { throw .connectionClosed }
      return nil
    }
  }

  /// LSUB (RFC 3501 §6.3.9).
  func lsub(_ command: LsubCommand) async throws(CommandError) -> Completion {
    let account = try accountID()
    if command.pattern.isEmpty {
      connection.out.writeLsub(ListResponse(MailboxName(""), attributes: .noSelect), wire)
      return .ok("LSUB completed")
    }
    let query = ListQuery(
      patterns: [.init(reference: command.reference, name: command.pattern)], selectsSubscribed: true)
    let listing = try await storeCall { store throws(StoreError) in try await store.mailboxes(of: account) }
    guard !isOver else { throw .connectionClosed }
    let rows = await ListPlan.subscribedRows(listing, query)
    guard !isOver else { throw .connectionClosed }
    for (count, row) in rows.enumerated() {
      connection.out.writeLsub(ListResponse(MailboxName(row.name), attributes: row.attributes), wire)
      if count & 255 == 255 {
        guard await drained() else { throw .connectionClosed }
      }
    }
    return .ok("LSUB completed")
  }
}
