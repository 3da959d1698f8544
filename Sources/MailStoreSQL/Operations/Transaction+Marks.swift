import MailStore

/// Marks of viewers: what each has made of `\Seen` in mailboxes of others.
extension Transaction {
  /// Those there are for messages among `uids` (ascending).
  func marks(
    of viewer: AccountID, _ uids: ArraySlice<UID>, in ref: MailboxRef
  ) throws(StoreError) -> [UID: SeenMark] {
    guard let first = uids.first, let last = uids.last else { return [:] }
    var marks: [UID: SeenMark] = [:]
    let rows = try db(
      """
      SELECT uid, modseq, seen FROM viewer_mark
      WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND viewer = ?5
      """)
    // One walk where most between the first and the last are meant.
    let isDense = Int(last - first) <= uids.count * 4 + 64
    for run in isDense ? [first...last] : UIDRuns.consecutive(uids) {
      bind(rows, ref, run.lowerBound, run.upperBound)
      rows.bind(5, viewer.rawValue)
      try rows.forEach { marks[$0.uid(0)] = SeenMark(modSeq: $0.bits(1), isSeen: $0.int(2) != 0) }
    }
    return marks
  }

  /// Makes `uids` seen, or unseen, to the viewer; `known`: the marks they have. Those that are so already are left alone.
  /// Returns the MODSEQ; nil: nothing has changed.
  func setSeen(
    _ isSeen: Bool, of uids: some Sequence<UID>, by viewer: AccountID, _ known: [UID: SeenMark],
    in mailbox: MailboxBox, _ account: AccountBox
  ) throws(StoreError) -> ModSeq? {
    let changed = uids.filter { (known[$0]?.isSeen ?? false) != isSeen }
    guard !changed.isEmpty else { return nil }
    touch(mailbox, of: account)
    let modSeq = modSeq(account)
    let ref = account.ref(mailbox)
    let row = try db(
      """
      INSERT OR REPLACE INTO viewer_mark (account, mailbox, viewer, uid, modseq, seen) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
      """)
    for uid in changed {
      row.bind(1, account.id)
      row.bind(2, mailbox.state.id)
      row.bind(3, viewer.rawValue)
      row.bind(4, uid)
      row.bind(5, modSeq)
      row.bind(6, isSeen ? 1 : 0)
      try row.run()
    }
    var counts = mailbox.state.viewers[viewer.rawValue] ?? ViewerCounts()
    counts.seen += Int64(changed.count) * (isSeen ? 1 : -1)
    counts.modSeq = modSeq
    mailbox.state.viewers[viewer.rawValue] = counts
    let total = try db(
      "INSERT OR REPLACE INTO viewer (account, mailbox, viewer, seen, modseq) VALUES (?1, ?2, ?3, ?4, ?5)")
    total.bind(1, account.id)
    total.bind(2, mailbox.state.id)
    total.bind(3, viewer.rawValue)
    total.bind(4, counts.seen)
    total.bind(5, counts.modSeq)
    try total.run()
    note { shared in
      for uid in changed { shared.mark(uid, SeenMark(modSeq: modSeq, isSeen: isSeen), by: viewer.rawValue, in: ref) }
    }
    return modSeq
  }

  /// The messages are gone. Costs nothing where nobody else reads. Call `touch` first.
  func removeMarks(_ gone: [MessageEntry], _ mailbox: MailboxBox, _ account: AccountBox) throws(StoreError) {
    guard !mailbox.state.viewers.isEmpty else { return }
    let ref = account.ref(mailbox)
    let sum = try db(
      """
      SELECT COALESCE(SUM(seen), 0) FROM viewer_mark
      WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND viewer = ?5
      """)
    let delete = try db(
      "DELETE FROM viewer_mark WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND viewer = ?5")
    let total = try db("UPDATE viewer SET seen = seen - ?4 WHERE account = ?1 AND mailbox = ?2 AND viewer = ?3")
    let runs = UIDRuns.consecutive(gone.lazy.map(\.uid))
    for viewer in mailbox.state.viewers.keys {
      var seen: Int64 = 0
      for run in runs {
        for statement in [sum, delete] {
          bind(statement, ref, run.lowerBound, run.upperBound)
          statement.bind(5, viewer)
        }
        seen += try sum.first { $0.int(0) } ?? 0
        try delete.run()
      }
      guard seen > 0 else { continue }
      mailbox.state.viewers[viewer]?.seen -= seen
      total.bind(1, account.id)
      total.bind(2, mailbox.state.id)
      total.bind(3, viewer)
      total.bind(4, seen)
      try total.run()
    }
  }

  /// All of one viewer in one mailbox, for its view.
  static func overlay(of viewer: Int64, in ref: MailboxRef, _ db: SQLConnection) throws(StoreError) -> SeenOverlay {
    var marks: [UID: SeenMark] = [:]
    let rows = try db("SELECT uid, modseq, seen FROM viewer_mark WHERE account = ? AND mailbox = ? AND viewer = ?")
    let total = try db("SELECT modseq FROM viewer WHERE account = ? AND mailbox = ? AND viewer = ?")
    for statement in [rows, total] {
      statement.bind(1, ref.account.rawValue)
      statement.bind(2, ref.mailbox.rawValue)
      statement.bind(3, viewer)
    }
    try rows.forEach { marks[$0.uid(0)] = SeenMark(modSeq: $0.bits(1), isSeen: $0.int(2) != 0) }
    return SeenOverlay(marks, highest: try total.first { $0.bits(0) } ?? 0)
  }
}
