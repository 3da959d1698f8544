import MailNet
import MailStore

/// The part of a search that the snapshot alone decides.
struct SearchScan: Sendable {
  var found = IndexRanges()
  var undecided = IndexRanges()

  init(_ node: SearchNode, _ told: MailboxSnapshot, in candidates: IndexRanges) {
    for range in candidates.ranges {
      told.forEach(in: range) { index, entry in
        switch node.verdict(index, entry) {
        case .yes: found.append(index)
        case .unknown: undecided.append(index)
        case .no: break
        }
      }
    }
  }

  /// Criteria looked at before others get their turn.
  private static let slice = 1 << 18

  /// The same, off the event loop: a million messages take milliseconds, but a client may have thousands of criteria.
  static func run(_ node: SearchNode, _ told: MailboxSnapshot, in candidates: IndexRanges) async -> SearchScan {
    await offLoop { await scan(node, told, in: candidates) }
  }

  private static func scan(
    _ node: SearchNode, _ told: MailboxSnapshot, in candidates: IndexRanges
  ) async -> SearchScan {
    var whole = SearchScan(node, told, in: IndexRanges())
    let step = max(slice / node.size, 64)
    var start = candidates.first ?? 0
    let last = candidates.last ?? -1
    while start <= last {
      let end = min(start + step, last + 1)
      let part = SearchScan(node, told, in: candidates.intersection(IndexRanges(start..<end)))
      for range in part.found.ranges { whole.found.append(range) }
      for range in part.undecided.ranges { whole.undecided.append(range) }
      start = end
      await Task.yield()
    }
    return whole
  }
}
