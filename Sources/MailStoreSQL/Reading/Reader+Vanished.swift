import MailStore

extension Reader {
  /// What the expunge log has of a mailbox after `modSeq`; nil where it does not reach back so far (RFC 7162 §3.2.6).
  ///
  /// The log is in UID order and is walked within `range`: it holds no more than what was expunged in
  /// `StoreSettings.expungeLogDays`, and an index by MODSEQ would have to be kept by every EXPUNGE.
  func vanished(
    _ range: ClosedRange<UID>, since modSeq: ModSeq, in ref: MailboxRef
  ) throws(StoreError) -> [UID]? {
    try db.reading { () throws(StoreError) -> [UID]? in
      let box = try db(
        "SELECT highestmodseq, expunge_floor FROM mailbox WHERE account = ? AND id = ? AND name IS NOT NULL")
      box.bind(1, ref.account.rawValue)
      box.bind(2, ref.mailbox.rawValue)
      guard let (highest, floor) = try box.first({ ($0.bits(0), $0.bits(1)) }) else { throw .mailboxGone }
      if modSeq < floor { return nil }
      if modSeq >= highest { return [] }
      let rows = try db(
        """
        SELECT uid FROM expunged WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4 AND modseq > ?5 ORDER BY uid
        """)
      rows.bind(1, ref.account.rawValue)
      rows.bind(2, ref.mailbox.rawValue)
      rows.bind(3, range.lowerBound)
      rows.bind(4, range.upperBound)
      rows.bind(5, modSeq)
      var uids: [UID] = []
      try rows.forEach { uids.append($0.uid(0)) }
      return uids
    }
  }
}
