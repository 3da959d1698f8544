/// When the indexer leaves the cores to deliveries: while many come in, for a while. People and servers wait for a delivery;
/// nobody waits for the index, and what is not in it yet is looked through.
struct IndexPacing {
  /// Messages that came between two looks, beyond which they go first.
  let busy: Int64
  /// Looks in a row at which they may.
  let most = StoreLimits.searchIndexGivesWay

  private var last: Int64 = 0
  private var looks = 0

  /// - pause: milliseconds between two looks.
  init(pause: Int) {
    busy = max(1, StoreLimits.searchIndexBusy * Int64(pause) / 1000)
  }

  /// To be asked at each look. `waiting`: messages that are not indexed.
  mutating func givesWay(waiting: Int64) -> Bool {
    guard waiting - last >= busy, looks < most else {
      // What comes while these are indexed is all that counts at the next look.
      last = 0
      looks = 0
      return false
    }
    last = waiting
    looks += 1
    return true
  }
}
