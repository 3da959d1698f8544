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

  /// The same, off the event loop: a million messages take milliseconds.
  @concurrent
  static func run(_ node: SearchNode, _ told: MailboxSnapshot) async -> SearchScan {
    SearchScan(node, told, in: IndexRanges(0..<told.count))
  }
}
