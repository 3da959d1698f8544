import IMAPCore

/// Finds known messages among messages whose UIDs say nothing (RFC 9051 §2.3.1.1: after a new UIDVALIDITY).
enum ContentMatcher {
  struct Result: Sendable {
    /// Index of what was known, and of what was found.
    var pairs: [(known: Int, found: Int)] = []
    /// Found messages that may be known ones: only their bytes can tell.
    var doubtful: [Int] = []
  }

  static func match(known: [KnownMessage], found: [RemoteMessage]) -> Result {
    var result = Result()
    var freeKnown = Set(known.indices)
    var freeFound = Set(found.indices)

    func take<Key: Hashable>(_ knownKey: (KnownMessage) -> Key?, _ foundKey: (RemoteMessage) -> Key?, onlySingle: Bool)
    {
      var groups: [Key: (known: [Int], found: [Int])] = [:]
      for index in freeKnown.sorted() {
        if let key = knownKey(known[index]) { groups[key, default: ([], [])].known.append(index) }
      }
      for index in freeFound.sorted() {
        if let key = foundKey(found[index]) { groups[key, default: ([], [])].found.append(index) }
      }
      for (_, group) in groups {
        let isSingle = group.known.count == 1 && group.found.count == 1
        guard isSingle || (!onlySingle && group.known.count == group.found.count && isSame(group.known)) else {
          continue
        }
        for (one, other) in zip(group.known, group.found) {
          result.pairs.append((one, other))
          freeKnown.remove(one)
          freeFound.remove(other)
        }
      }
    }
    /// Copies of one message: which is which makes no difference.
    func isSame(_ indexes: [Int]) -> Bool {
      guard let first = indexes.first, let fingerprint = known[first].fingerprint else { return false }
      return indexes.allSatisfy { known[$0].fingerprint == fingerprint }
    }

    take({ $0.emailID }, { $0.emailID }, onlySingle: false)
    take({ $0.contentKey }, { $0.contentKey }, onlySingle: false)
    // A server that was moved may have given new dates.
    take({ $0.contentKey?.withoutDate }, { $0.contentKey?.withoutDate }, onlySingle: true)

    // Two names are two messages; where one is not known, or both are the same and something else differs, who knows.
    var names: [Int64: Set<String?>] = [:]
    for index in freeKnown where known[index].fingerprint != nil {
      names[known[index].size, default: []].insert(known[index].messageID)
    }
    result.doubtful = freeFound.filter { index in
      guard let size = found[index].size, let names = names[size], size <= SyncLimits.wrongSizeBody else {
        return false
      }
      return found[index].messageID == nil || names.contains(nil) || names.contains(found[index].messageID)
    }.sorted()
    return result
  }
}

extension RemoteMessage {
  var contentKey: ContentKey? {
    guard let messageID, let size else { return nil }
    return ContentKey(size: size, messageID: messageID, seconds: date?.seconds)
  }
}
