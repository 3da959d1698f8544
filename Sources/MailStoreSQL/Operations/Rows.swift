import MailStore

/// Inclusive runs of UIDs.
enum UIDRuns {
  /// Runs of consecutive numbers in an ascending list.
  static func consecutive(_ uids: some Sequence<UID>) -> [ClosedRange<UID>] {
    var result: [ClosedRange<UID>] = []
    for uid in uids {
      if let last = result.last, uid <= last.upperBound { continue }
      if let last = result.last, last.upperBound + 1 == uid {
        result[result.count - 1] = last.lowerBound...uid
      } else {
        result.append(uid...uid)
      }
    }
    return result
  }
}

/// Finding the messages that a list of UIDs names.
extension Transaction {
  /// Entries of the messages there are among `uids` (ascending, above the seal), and runs that cover exactly those: no other
  /// message of the mailbox lies inside a run.
  func entries(
    _ uids: ArraySlice<UID>, in ref: MailboxRef
  ) throws(StoreError) -> (entries: [MessageEntry], runs: [ClosedRange<UID>]) {
    guard let first = uids.first, let last = uids.last else { return ([], []) }
    if let snapshot = snapshot(ref) { return Self.entries(uids, in: snapshot) }
    // Without a snapshot the rows are read: all between the first and the last where the list is dense, else one by one.
    var entries: [MessageEntry] = []
    var runs: [ClosedRange<UID>] = []
    var isInRun = false
    if Int(last - first) <= uids.count * 4 + 64 {
      var wanted = uids
      let rows = try db(
        """
        SELECT uid, flags, keywords, modseq FROM message WHERE account = ? AND mailbox = ? AND uid BETWEEN ? AND ?
        ORDER BY uid
        """)
      bind(rows, ref, first, last)
      try rows.forEach { row in
        let entry = MessageEntry(row)
        while let next = wanted.first, next < entry.uid { wanted.removeFirst() }
        guard wanted.first == entry.uid else {
          isInRun = false
          return
        }
        entries.append(entry)
        if isInRun, let open = runs.last {
          runs[runs.count - 1] = open.lowerBound...entry.uid
        } else {
          runs.append(entry.uid...entry.uid)
        }
        isInRun = true
      }
      return (entries, runs)
    }
    let row = try db("SELECT uid, flags, keywords, modseq FROM message WHERE account = ? AND mailbox = ? AND uid = ?")
    for uid in uids {
      row.bind(1, ref.account.rawValue)
      row.bind(2, ref.mailbox.rawValue)
      row.bind(3, uid)
      if let entry = try row.first({ MessageEntry($0) }) { entries.append(entry) }
    }
    return (entries, UIDRuns.consecutive(entries.lazy.map(\.uid)))
  }

  private static func entries(
    _ uids: ArraySlice<UID>, in snapshot: MailboxSnapshot
  ) -> (entries: [MessageEntry], runs: [ClosedRange<UID>]) {
    var entries: [MessageEntry] = []
    entries.reserveCapacity(uids.count)
    var runs: [ClosedRange<UID>] = []
    var lastIndex = -2
    func take(_ index: Int, _ entry: MessageEntry) {
      entries.append(entry)
      if index == lastIndex + 1, let open = runs.last {
        runs[runs.count - 1] = open.lowerBound...entry.uid
      } else {
        runs.append(entry.uid...entry.uid)
      }
      lastIndex = index
    }
    guard let first = uids.first, let last = uids.last else { return ([], []) }
    let start = snapshot.lowerBound(first)
    let end = last == UID.max ? snapshot.count : snapshot.lowerBound(last + 1)
    if end - start <= uids.count * 8 {
      var wanted = uids
      snapshot.forEach(in: start..<end) { index, entry in
        while let next = wanted.first, next < entry.uid { wanted.removeFirst() }
        if wanted.first == entry.uid { take(index, entry) }
      }
    } else {
      for uid in uids {
        guard let index = snapshot.index(of: uid), index != lastIndex else { continue }
        take(index, snapshot[index])
      }
    }
    return (entries, runs)
  }

  func bind(_ statement: SQLStatement, _ ref: MailboxRef, _ first: UID, _ last: UID) {
    statement.bind(1, ref.account.rawValue)
    statement.bind(2, ref.mailbox.rawValue)
    statement.bind(3, first)
    statement.bind(4, last)
  }
}

/// UIDs in the order and form that the statements want.
func ascending(_ uids: [UID]) -> [UID] {
  var isAscending = true
  for index in uids.indices.dropFirst() where uids[index] <= uids[index - 1] {
    isAscending = false
    break
  }
  if isAscending { return uids }
  var result: [UID] = []
  for uid in uids.sorted() where result.last != uid { result.append(uid) }
  return result
}
