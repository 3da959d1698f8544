import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// THREAD and UID THREAD (RFC 5256 §3).
  func thread(_ command: ThreadCommand) async throws(CommandError) -> Completion {
    let search = try await expandingFilters(command.search)
    tell(expunge: false, includeUID: isRev2 || command.uid)
    guard !isOver else { throw .connectionClosed }
    let (view, node) = try compiled(search)
    let (found, hasGhosts) = visible(try await find(node, view), view)
    let uids = await OrderPlan.uids(of: found, view.told)
    beginProgress("Threading")
    let columns = try await columns([.date, .thread], by: comparator.collation, of: uids, view)
    endProgress()
    let members = await offLoop { Self.threads(found, uids, command, columns) }
    connection.out.writeThreadStart(isEmpty: members.isEmpty)
    // A long answer goes out in pieces.
    var writer = ThreadWriter(members)
    while !writer.isDone {
      writer.write(OrderLimits.numbersPerSlice, into: &connection.out)
      guard await drained() else { throw .connectionClosed }
    }
    connection.out.writeCRLF()
    return .ok(command.uid ? "UID THREAD completed" : "THREAD completed", code: hasGhosts ? .expungeIssued : nil)
  }

  private static func threads(
    _ found: IndexRanges, _ uids: [UID], _ command: ThreadCommand, _ columns: [OrderKey: KeyColumn]
  ) -> [ThreadMember] {
    guard let dates = columns[.date], let column = columns[.thread], !uids.isEmpty else { return [] }
    var order = StableOrder(count: uids.count)
    order.sort(by: dates.comparable(at: dates.places(of: uids)))
    let numbers = command.uid ? uids : found.sequenceNumbers
    let rows = column.places(of: uids).compactMap { $0 < 0 ? nil : column.textRange(Int($0)) }
    // Every message found has its keys; see `KeyCollector.end`.
    guard rows.count == uids.count else { return [] }
    let threads = Threads(numbers: numbers, order: order.order, hashes: column.hashes, rows: rows)
    return switch command.algorithm {
    case .orderedSubject: threads.byOrderedSubject()
    case .references: threads.byReferences()
    }
  }
}
