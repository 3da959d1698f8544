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
    if command.statusItems.contains(.highestModSeq) { enableCondStore() }
    let selection = command.selection ?? []
    let query = ListQuery(
      // RFC 9051 §6.3.9: empty patterns of the extended form are passed over.
      patterns: command.patterns.filter { !$0.isEmpty }.map { .init(reference: command.reference, name: $0) },
      isExtended: command.isExtended, selectsSubscribed: selection.contains(.subscribed),
      selectsSpecialUse: selection.contains(.specialUse), recursiveMatch: selection.contains(.recursiveMatch),
      returnsSubscribed: command.returns?.contains(.subscribed) == true)
    let all = try await listing()
    guard !isOver else { throw .connectionClosed }
    let rows = await ListPlan.rows(all.listing, query)
    guard !isOver else { throw .connectionClosed }
    let wantsRights = command.returns?.contains(.myRights) == true
    var metadata = ListedMetadata(command.metadata)
    for (count, row) in rows.enumerated() {
      connection.out.writeList(
        ListResponse(MailboxName(row.name), attributes: row.attributes, hasSubscribedChild: row.hasChildInfo), wire)
      if count & 255 == 255 {
        guard await drained() else { throw .connectionClosed }
      }
      guard row.isSelected, let info = row.info else { continue }
      let name = MailboxName(row.name)
      let shared = all.shared[row.name]
      // RFC 8440 §3
      if wantsRights { connection.out.writeMyRights(name, AccessRights(shared?.rights ?? .all), wire) }
      // RFC 5819 §2: STATUS for what can be selected and met the selection itself.
      if !command.statusItems.isEmpty, info.isSelectable,
        let values = try await statusIfPossible(info, command.statusItems, shared)
      {
        connection.out.writeStatus(name, command.statusItems, values, wire)
      }
      // RFC 9590 §3
      if !command.metadata.isEmpty, info.isSelectable {
        let values = try await metadataIfAllowed(info, shared, name, &metadata)
        guard !isOver else { throw .connectionClosed }
        connection.out.writeMetadata(name, values, wire)
        guard await drained() else { throw .connectionClosed }
      }
    }
    return .ok("LIST completed")
  }

  /// RFC 5819 §2: a STATUS that cannot be had is left out.
  private func statusIfPossible(
    _ info: MailboxInfo, _ items: [StatusItem], _ shared: SharedMailbox?
  ) async throws(CommandError) -> StatusValues? {
    let account = try accountID()
    do throws(CommandError) {
      return try await statusValues(shared?.info ?? info, items, shared?.owner ?? account)
    } catch {
      guard !isOver else { throw .connectionClosed }
      return nil
    }
  }

  /// RFC 5464 §3.3: of mailboxes in which this account may do something.
  private func metadataIfAllowed(
    _ info: MailboxInfo, _ shared: SharedMailbox?, _ name: MailboxName, _ metadata: inout ListedMetadata
  ) async throws(CommandError) -> [SetMetadataCommand.Value] {
    let account = try accountID()
    if let shared, shared.rights.isDisjoint(with: .forMetadata) { return [] }
    let owner = shared?.owner ?? account
    if metadata.byOwner[owner] == nil {
      metadata.byOwner[owner] = try await storeCall { store throws(StoreError) in
        try await store.annotations(of: owner, as: account)
      }
      guard !isOver else { throw .connectionClosed }
    }
    let annotations = metadata.byOwner[owner]?[shared?.info.id ?? info.id] ?? []
    return await MetadataLookup(annotations).valuesAside(GetMetadataCommand(name, metadata.entries)).values
  }

  /// LSUB (RFC 3501 §6.3.9).
  func lsub(_ command: LsubCommand) async throws(CommandError) -> Completion {
    if command.pattern.isEmpty {
      connection.out.writeLsub(ListResponse(MailboxName(""), attributes: .noSelect), wire)
      return .ok("LSUB completed")
    }
    let query = ListQuery(
      patterns: [.init(reference: command.reference, name: command.pattern)], selectsSubscribed: true)
    let listing = try await listing().listing
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

/// Annotations that one LIST has looked up, by owner.
private struct ListedMetadata: Sendable {
  let entries: [GetMetadataCommand.Entry]
  var byOwner: [AccountID: [MailboxID?: [Annotation]]] = [:]
  init(_ entries: [GetMetadataCommand.Entry]) { self.entries = entries }
}
