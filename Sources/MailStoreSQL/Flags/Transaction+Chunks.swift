import MailStore

/// Writing `flag_chunk` (see `FlagTable`).
extension Transaction {
  /// The mailbox's seal; read once.
  func seal(of mailbox: MailboxBox, _ account: AccountBox) throws(StoreError) -> UID {
    if let seal = mailbox.state.seal { return seal }
    let seal = try FlagTable.seal(account.ref(mailbox), db)
    mailbox.state.seal = seal
    // As if every UID above were there.
    mailbox.state.loose = Int(mailbox.state.uidNext) - 1 - Int(seal)
    return seal
  }

  /// After new rows above the seal.
  func countLoose(_ count: Int, _ mailbox: MailboxBox, _ account: AccountBox) throws(StoreError) {
    mailbox.state.loose += count
    let sizes = settings.flagChunks
    if mailbox.state.loose >= sizes.loose { try makeChunks(mailbox, account, least: sizes.capacity) }
  }

  /// Chunks of the messages above the seal, the last one filled up first; `least`: fewer than so many stay as they are.
  func makeChunks(_ mailbox: MailboxBox, _ account: AccountBox, least: Int) throws(StoreError) {
    let ref = account.ref(mailbox)
    let seal = try seal(of: mailbox, account)
    let capacity = settings.flagChunks.capacity
    touch(mailbox, of: account)
    var entries: [MessageEntry] = []
    try FlagTable.rows(above: seal, in: ref, db, limit: StoreLimits.rowsPerSlice) { entries.append($0) }
    var rest = entries[...]
    if rest.count >= least, seal > 0, let last = try FlagTable.chunk(seal, in: ref, db), last.entries.count < capacity {
      let part = rest.prefix(capacity - last.entries.count)
      rest = rest.dropFirst(part.count)
      mailbox.state.seal = try FlagTable.fill(last, with: part, in: ref, db)
    }
    while !rest.isEmpty, rest.count >= least {
      let part = Array(rest.prefix(capacity))
      rest = rest.dropFirst(part.count)
      mailbox.state.seal = try FlagTable.insert(part, in: ref, db)
    }
    mailbox.state.loose = rest.count
  }

  /// Calls `body` for each chunk that messages in `runs` (ascending, apart) may be in, with the runs that touch it; what
  /// it makes of the entries is kept. `body` says whether it changed them. Ends early when `isEnough`.
  func editChunks(
    _ runs: [ClosedRange<UID>], of mailbox: MailboxBox, _ account: AccountBox, isEnough: () -> Bool = { false },
    _ body: (inout [MessageEntry], ArraySlice<ClosedRange<UID>>) throws(StoreError) -> Bool
  ) throws(StoreError) {
    let ref = account.ref(mailbox)
    guard try seal(of: mailbox, account) > 0 else { return }
    var rest = runs[...]
    var from: UID = 0
    while let run = rest.first, !isEnough(), var chunk = try FlagTable.chunk(max(run.lowerBound, from), in: ref, db) {
      let here = rest.prefix { $0.lowerBound <= chunk.last }
      if try body(&chunk.entries, here) { try writeChunk(chunk, of: mailbox, ref) }
      rest = rest.dropFirst(here.count)
      // The last of them may reach beyond this chunk.
      if let last = here.last, last.upperBound > chunk.last { rest = runs[(here.endIndex - 1)...] }
      guard chunk.last < UID.max else { return }
      from = chunk.last + 1
    }
  }

  private func writeChunk(_ chunk: FlagTable.Chunk, of mailbox: MailboxBox, _ ref: MailboxRef) throws(StoreError) {
    guard !chunk.entries.isEmpty else {
      let row = try db("DELETE FROM flag_chunk WHERE id = ?")
      row.bind(1, chunk.id)
      try row.run()
      // It may have been the last one; then there is nothing between the chunk before it and here.
      mailbox.state.seal = try FlagTable.seal(ref, db)
      return
    }
    let row = try db("UPDATE flag_chunk SET data = ?2 WHERE id = ?1")
    row.bind(1, chunk.id)
    FlagChunk.encoded(chunk.entries, at: FlagChunk.Place(ref, last: chunk.last)).withUnsafeBytes {
      row.bind(2, bytes: $0)
    }
    try row.run()
  }

  /// Entries of the messages there are among `uids` (ascending), whose rows say it or a chunk.
  func entries(
    _ uids: ArraySlice<UID>, of mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) -> [MessageEntry] {
    let ref = account.ref(mailbox)
    let (sealed, loose) = try split(uids, at: seal(of: mailbox, account))
    var found: [MessageEntry] = []
    found.reserveCapacity(uids.count)
    try editChunks(UIDRuns.consecutive(sealed), of: mailbox, account) { entries, runs in
      Self.select(entries, runs) { found += entries[$0] }
      return false
    }
    if !loose.isEmpty { found += try entries(loose, in: ref).entries }
    return found
  }

  /// `uids` up to the seal and above it.
  func split(_ uids: ArraySlice<UID>, at seal: UID) -> (sealed: ArraySlice<UID>, loose: ArraySlice<UID>) {
    var low = uids.startIndex
    var high = uids.endIndex
    while low < high {
      let middle = (low + high) / 2
      if uids[middle] <= seal { low = middle + 1 } else { high = middle }
    }
    return (uids[..<low], uids[low...])
  }

  /// Indexes of the entries that lie in `runs`, ascending; none is empty.
  @inline(__always)
  static func select(
    _ entries: [MessageEntry], _ runs: ArraySlice<ClosedRange<UID>>, _ body: (Range<Int>) -> Void
  ) {
    var start = 0
    for run in runs {
      start = lowerBound(run.lowerBound, entries, from: start)
      var end = start
      if run.upperBound - run.lowerBound < 8 {
        while end < entries.count, entries[end].uid <= run.upperBound { end += 1 }
      } else {
        end = run.upperBound == UID.max ? entries.count : lowerBound(run.upperBound + 1, entries, from: start)
      }
      if start < end { body(start..<end) }
      start = end
    }
  }

  /// The first entry from `start` on whose UID is `uid` or higher. In a long list of single UIDs it is close by.
  private static func lowerBound(_ uid: UID, _ entries: [MessageEntry], from start: Int) -> Int {
    var low = start
    let near = min(start + 4, entries.count)
    while low < near {
      if entries[low].uid >= uid { return low }
      low += 1
    }
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].uid < uid { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
