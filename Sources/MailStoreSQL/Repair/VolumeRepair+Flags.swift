import MailStore

/// A repair begins by putting flags back into the rows (`FlagSealing.unseal`) and then looks at rows alone; the next
/// opening of the store makes chunks anew.
extension VolumeRepair {
  /// Messages whose flags went back to those of their delivery. After numbers have been judged.
  func renewFlags(_ losses: [FlagSealing.Loss]) throws(StoreError) {
    for loss in losses { try renew(loss) }
    did("groups of messages whose flags were damaged, and are those of their delivery", losses.count)
    // Which chunks are gone nobody can say: clients are to ask for all flags anew.
    guard let harvested, !harvested.isComplete("flag_chunk") else { return }
    let mailboxes = try all(try db("SELECT DISTINCT account, mailbox FROM message")) {
      MailboxRef(account: AccountID($0.int(0)), mailbox: MailboxID($0.int(1)))
    }
    for ref in mailboxes { try renew(FlagSealing.Loss(ref: ref, uids: 1...UID.max)) }
  }

  /// What clients last heard of these flags is not so any more (RFC 7162 §3.1.2).
  private func renew(_ loss: FlagSealing.Loss) throws(StoreError) {
    let row = try db(
      "UPDATE message SET modseq = ?5 WHERE account = ?1 AND mailbox = ?2 AND uid BETWEEN ?3 AND ?4")
    row.bind(1, loss.ref.account.rawValue)
    row.bind(2, loss.ref.mailbox.rawValue)
    row.bind(3, loss.uids.lowerBound)
    row.bind(4, loss.uids.upperBound)
    row.bind(5, try modSeq(loss.ref.account.rawValue))
    try row.run()
    if db.changes > 0 { touched.insert(loss.ref) }
  }
}
