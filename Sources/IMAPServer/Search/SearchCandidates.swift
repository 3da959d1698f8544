extension SearchNode {
  /// Sets that are cut with each other, and ranges of one: what is looked at beforehand must cost nothing beside the search.
  private static let setsLookedAt = 8
  private static let rangesLookedAt = 256

  /// The messages that can be found at all: of a search within a few of them no other one is looked at, however many there
  /// are.
  func candidates(of count: Int) -> IndexRanges {
    let all = IndexRanges(0..<count)
    switch self {
    case .none: return .empty
    case .indexes(let indexes): return indexes.intersection(all)
    case .and(let nodes):
      var left = Self.setsLookedAt
      var candidates = all
      for case .indexes(let indexes) in nodes where indexes.ranges.count <= Self.rangesLookedAt && left > 0 {
        candidates = candidates.intersection(indexes)
        left -= 1
      }
      return candidates
    default: return all
    }
  }
}
