import BlobStore
import MailStore

extension Reader {
  /// One read transaction (see `MailStore.visit`).
  func visit(
    _ ref: MailboxRef, _ uids: ArraySlice<UID>, _ needs: ContentNeeds,
    _ visitor: (any MessageRow) throws(StoreError) -> VisitControl
  ) throws(StoreError) -> Int {
    guard let first = uids.first, let last = uids.last else { return 0 }
    defer {
      scratch.endRun()
      scratch.trim()
      chunks.trim()
    }
    return try db.reading { () throws(StoreError) in
      let isAlone = ContentQuery.isBetterAlone(needs)
      let query = try query(isAlone ? .messagesAlone : .messages, needs)
      let cursor = isAlone ? ContentCursor(try self.query(.contents, needs)) : nil
      defer { cursor?.end() }
      let row = SQLMessageRow(self, query, cursor)
      var walk = Walk(ref: ref, uids: uids, needs: needs, row: row)
      scratch.beginRun()
      // Nearly all UIDs between the ends are wanted: one statement walks along them. Else one lookup each.
      if Int(last - first) <= uids.count * 3 + 16 {
        try walkRange(&walk, query, first...last, visitor)
      } else {
        while !walk.isOver, let uid = walk.next {
          query.bind(ref, uid...uid)
          defer { query.statement.reset() }
          if try query.statement.step() {
            try row.fill(query)
            walk.follow(try visitor(row))
          } else {
            try visitExpunged(&walk, uid, visitor)
          }
        }
      }
      return walk.done
    }
  }

  /// How far a visit has come.
  private struct Walk {
    let ref: MailboxRef
    let uids: ArraySlice<UID>
    let needs: ContentNeeds
    let row: SQLMessageRow
    var done = 0
    var isOver = false

    var next: UID? { done < uids.count ? uids[uids.startIndex + done] : nil }

    mutating func follow(_ control: VisitControl) {
      switch control {
      case .next: done += 1
      case .stop:
        done += 1
        isOver = true
      case .stopBefore: isOver = true
      }
    }
  }

  private func walkRange(
    _ walk: inout Walk, _ query: ContentQuery, _ range: ClosedRange<UID>,
    _ visitor: (any MessageRow) throws(StoreError) -> VisitControl
  ) throws(StoreError) {
    query.bind(walk.ref, range)
    defer { query.statement.reset() }
    while try query.statement.step() {
      let uid = query.statement.uid(0)
      while !walk.isOver, let wanted = walk.next, wanted < uid { try visitExpunged(&walk, wanted, visitor) }
      guard !walk.isOver else { return }
      guard walk.next == uid else { continue }
      try walk.row.fill(query)
      walk.follow(try visitor(walk.row))
      if walk.isOver { return }
    }
    while !walk.isOver, let wanted = walk.next { try visitExpunged(&walk, wanted, visitor) }
  }

  /// A session that has not been told of an expunge may still ask for the message (RFC 2180 §4.1.3); it is answered as
  /// long as the bytes are there.
  private func visitExpunged(
    _ walk: inout Walk, _ uid: UID, _ visitor: (any MessageRow) throws(StoreError) -> VisitControl
  ) throws(StoreError) {
    let query = try query(.expunged, walk.needs)
    query.bind(walk.ref, uid...uid)
    defer { query.statement.reset() }
    guard try query.statement.step() else {
      walk.done += 1
      return
    }
    try walk.row.fill(query)
    walk.follow(try visitor(walk.row))
  }
}
