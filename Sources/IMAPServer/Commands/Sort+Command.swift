import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// SORT and UID SORT (RFC 5256 §3, RFC 5267 §3, RFC 5957).
  func sort(_ command: SortCommand, tag: String) async throws(CommandError) -> Completion {
    do throws(CommandError) {
      let search = try await expandingFilters(command.search)
      var command = command
      command.key = search.key
      try checkContext(search, tag)
      let isByRelevancy = command.criteria.contains { $0.key == .relevancy }
      try checkRelevancy(search, isSortedByIt: isByRelevancy)
      tell(expunge: false, includeUID: isRev2 || command.uid)
      guard !isOver else { throw .connectionClosed }
      let (view, node) = try compiled(search)
      let (found, hasGhosts) = visible(try await find(node, view), view)
      var scores: [UID: UInt8]?
      if isByRelevancy || search.returns?.contains(.relevancy) == true {
        scores = try await relevancy(of: found, search, view)
      }
      let sorted = try await sorted(found, command, view, scores)
      if let returns = command.returns {
        if returns.contains(.update) {
          // RFC 5267 §4.3.1: sorted results cost more, and scores change with the rest.
          if isByRelevancy {
            refuseUpdates(tag, "Results by relevancy are not kept up to date")
          } else {
            startContext(search, command, tag, sorted.uids, view, byUID: found.uids(in: view.told))
          }
        }
        writeSorted(sorted, returns, command, tag, view.told, scores)
      } else {
        connection.out.writeSortStart()
        try await writeSlices(sorted.numbers)
        // RFC 7162 §3.1.9
        if command.key.hasModSeq { connection.out.writeFoundModSeq(found.highestModSeq(in: view.told)) }
        connection.out.writeCRLF()
      }
      return .ok(command.uid ? "UID SORT completed" : "SORT completed", code: hasGhosts ? .expungeIssued : nil)
    } catch {
      dropSaved(command.returns, after: error)
      throw error
    }
  }

  /// Messages in the order asked for.
  struct Sorted: Sendable {
    var uids: [UID]
    /// What the answer calls them.
    var numbers: [UInt32]
  }

  func sorted(
    _ found: IndexRanges, _ command: SortCommand, _ view: MailboxView, _ scores: [UID: UInt8]? = nil,
    by given: Comparator? = nil
  ) async throws(CommandError) -> Sorted {
    let comparator = given ?? self.comparator
    // What was sorted by already cannot be sorted by again.
    var keys: [(key: OrderKey, isReversed: Bool)] = []
    for criterion in command.criteria {
      let key = OrderKey(criterion.key)
      if !keys.contains(where: { $0.key == key }) {
        // RFC 4790 §4.2.4: "-" reverses what the comparator orders.
        keys.append((key, criterion.isReversed != (comparator.isReversed && key.text != nil)))
      }
    }
    let wanted = keys
    let uids = await OrderPlan.uids(of: found, view.told)
    beginProgress("Sorting")
    var read = try await columns(
      wanted.map(\.key).filter { $0 != .relevancy }, by: comparator.collation, of: uids, view)
    endProgress()
    if let scores { read[.relevancy] = .relevancy(scores) }
    let columns = read
    let byUID = command.uid
    return await offLoop { Self.sorted(found, uids, wanted, columns, uid: byUID) }
  }

  private static func sorted(
    _ found: IndexRanges, _ uids: [UID], _ wanted: [(key: OrderKey, isReversed: Bool)],
    _ columns: [OrderKey: KeyColumn], uid: Bool
  ) -> Sorted {
    var order = StableOrder(count: uids.count)
    for (key, isReversed) in wanted.reversed() {
      guard let column = columns[key] else { continue }
      order.sort(by: column.comparable(at: column.places(of: uids)), descending: isReversed)
    }
    let sorted = order.order.map { uids[Int($0)] }
    if uid { return Sorted(uids: sorted, numbers: sorted) }
    let numbers = found.sequenceNumbers
    return Sorted(uids: sorted, numbers: order.order.map { numbers[Int($0)] })
  }

  // MARK: The answer

  /// A long answer goes out in pieces.
  private func writeSlices(_ numbers: [UInt32]) async throws(CommandError) {
    var rest = numbers[...]
    while !rest.isEmpty {
      let slice = rest.prefix(OrderLimits.numbersPerSlice)
      rest = rest.dropFirst(slice.count)
      connection.out.writeSorted(slice)
      guard await drained() else { throw .connectionClosed }
    }
  }

  /// RFC 5267 §3.1: MIN and MAX are the first and the last of the order asked for.
  private func writeSorted(
    _ sorted: Sorted, _ returns: SearchCommand.Return, _ command: SortCommand, _ tag: String, _ told: MailboxSnapshot,
    _ scores: [UID: UInt8]?
  ) {
    let numbers = sorted.numbers
    let part = command.partial?.places(of: numbers.count)
    let named = Self.named(returns, sorted.uids, part)
    // The search result variable is set by every command based on SEARCH (RFC 5182 §1), as SEARCH itself sets it.
    if returns.contains(.save) { view?.saved = named }
    // RFC 9051 §6.4.4: SAVE alone suppresses the response.
    guard returns.results != .save || part != nil else { return }
    var response = ESearchResponse(
      tag: tag, uid: command.uid, min: returns.contains(.min) ? numbers.first : nil,
      max: returns.contains(.max) ? numbers.last : nil, all: returns.contains(.all) ? numbers : nil,
      count: returns.contains(.count) ? numbers.count : nil)
    if let range = command.partial, let part { response.partial = .init(range, Array(numbers[part])) }
    // RFC 7162 §3.1.10
    if command.key.hasModSeq { response.modSeq = IndexRanges(of: named, in: told).highestModSeq(in: told) }
    if returns.contains(.relevancy), let scores {
      let shown = returns.contains(.all) ? sorted.uids[...] : part.map { sorted.uids[$0] } ?? sorted.uids[...]
      response.relevancy = shown.map { scores[$0] ?? 100 }
    }
    connection.out.writeESearch(response)
  }

  /// As for SEARCH: the messages that the answer is about, ascending.
  private static func named(_ returns: SearchCommand.Return, _ sorted: [UID], _ part: Range<Int>?) -> [UID] {
    guard returns.isDisjoint(with: [.all, .count]) else { return sorted.sorted() }
    guard part != nil || !returns.isDisjoint(with: [.min, .max]) else { return sorted.sorted() }
    var uids = Set(part.map { Array(sorted[$0]) } ?? [])
    if returns.contains(.min), let first = sorted.first { uids.insert(first) }
    if returns.contains(.max), let last = sorted.last { uids.insert(last) }
    return uids.sorted()
  }
}
