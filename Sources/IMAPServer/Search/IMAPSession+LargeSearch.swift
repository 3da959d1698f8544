import MailFormat
import MailStore
import NIOCore
import SearchText

/// SEARCH in messages too large to be held: read part by part, so that attachments are never read.
extension IMAPSession {
  func isFound(
    _ node: SearchNode, _ index: Int, _ told: MailboxSnapshot, _ ref: MailboxRef
  ) async throws(CommandError) -> Bool {
    guard !isOver else { throw .connectionClosed }
    let uid = told[index].uid
    let reader = try await storeCall { store throws(StoreError) in try await store.openMessage(uid, in: ref) }
    guard let reader else { return false }
    let columns = SearchVisitor(node, told, .columns, wholeMessageLimit: 0)
    var needs = node.needs(upTo: .columns)
    needs.insert(.dates)
    let wanted = needs
    // What columns say of it first; then its texts.
    _ = try await storeCall { store throws(StoreError) in
      try await store.visit(ref, [uid], needs: wanted) { row throws(StoreError) in columns.visit(row) }
    }
    if !columns.found.isEmpty { return true }
    if columns.undecided.isEmpty { return false }
    return try await verdict(node, index, told, reader) == .yes
  }

  private func verdict(
    _ node: SearchNode, _ index: Int, _ told: MailboxSnapshot, _ reader: any MessageReader
  ) async throws(CommandError) -> Verdict {
    switch node {
    case .and(let nodes):
      for node in nodes where try await verdict(node, index, told, reader) != .yes { return .no }
      return .yes
    case .or(let nodes):
      for node in nodes where try await verdict(node, index, told, reader) == .yes { return .yes }
      return .no
    case .not(let node): return try await verdict(node, index, told, reader).negated
    case .narrowed(let known, let node):
      let early = known.verdict(index)
      return early == .unknown ? try await verdict(node, index, told, reader) : early
    case .header(let header) where !header.isCommon:
      return Verdict(try await hasHeader(header, reader))
    case .body(let needle): return Verdict(try await hasText(needle, reader, withHeaders: false))
    case .text(let needle):
      let trace = reader.trace
      if MessageText.hasFields(needle, trace.readableBytesSpan, 0..<trace.readableBytes) { return .yes }
      return Verdict(try await hasText(needle, reader, withHeaders: true))
    case _ where node.level == .snapshot: return node.verdict(index, told[index])
    default:
      // A column decides it.
      let row = SearchVisitor(node, told, .columns, wholeMessageLimit: 0)
      let uid = told[index].uid
      let ref = try selectedView().mailbox.ref
      let needs = node.needs(upTo: .columns)
      _ = try await storeCall { store throws(StoreError) in
        try await store.visit(ref, [uid], needs: needs) { message throws(StoreError) in row.visit(message) }
      }
      if !row.found.isEmpty { return .yes }
      // Not even these: there are more header lines than are kept beside the message.
      guard !row.undecided.isEmpty, case .header(let header) = node else { return .no }
      return Verdict(try await hasHeader(header, reader))
    }
  }

  private func hasText(
    _ needle: TextNeedle, _ reader: any MessageReader, withHeaders: Bool
  ) async throws(CommandError) -> Bool {
    let limit = settings.searchFieldLimit
    let isFound = try await storeCall { _ throws(StoreError) in
      try await MessageText.isFound(
        needle, in: reader.index.root, reader, withHeaders: withHeaders, fieldLimit: limit
      ) { self.isOver }
    }
    guard !isOver else { throw .connectionClosed }
    return isFound
  }

  private func hasHeader(
    _ header: SearchNode.HeaderNeedle, _ reader: any MessageReader
  ) async throws(CommandError) -> Bool {
    let range = 0..<reader.trace.readableBytes + reader.index.headerLength
    let limit = settings.searchFieldLimit
    let isFound = try await storeCall { _ throws(StoreError) in
      try await MessageText.isFound(inHeader: range, reader, fieldLimit: limit, isOver: { self.isOver }) {
        header.isFound(in: $0, $1)
      }
    }
    guard !isOver else { throw .connectionClosed }
    return isFound
  }
}
