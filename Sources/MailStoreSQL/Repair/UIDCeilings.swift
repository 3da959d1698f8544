import MailStore

/// How far a mailbox's numbers had come, as somebody remembers who is not in the database.
struct UIDCeiling {
  /// No UID from here on was ever given out.
  var uidNext: UID
  /// No MODSEQ above this was ever given out in the account.
  var modSeq: ModSeq
}

/// The one place where a repair asks for numbers that clients may know though the rows do not.
///
/// Without an answer a mailbox whose UIDNEXT cannot be trusted gets a new UIDVALIDITY: clients load it anew, and none is
/// told a lie.
struct UIDCeilings {
  /// Nil: nobody remembers.
  var consult: (_ mailbox: MailboxRef, _ uidValidity: UInt32) -> UIDCeiling? = { _, _ in nil }
}

extension UIDCeilings {
  /// What DATA/marks.sqlite remembers, where it is whole and belongs to this volume. A commit waits for its marks, so they
  /// are never behind what clients were told, however old the rows are.
  static func marked(data: String, volume: SQLConnection) -> UIDCeilings {
    let path = Marks.path(data)
    guard FileSizes.of(path) > 0, let db = try? SQLConnection.reader(path: path) else { return UIDCeilings() }
    // Kept open by the closure, which nobody keeps beyond the repair.
    return UIDCeilings { ref, _ in
      do throws(StoreError) {
        let identity = try volume("SELECT value FROM volume_state WHERE name = 'store_id'").first { $0.int(0) }
        guard let identity, identity != 0, try Marks.value("store", db) == identity else { return nil }
        let row = try db(
          """
          SELECT b.uidnext, a.modseq FROM mailbox_mark b JOIN account_mark a ON a.account = b.account
          WHERE b.account = ? AND b.mailbox = ?
          """)
        row.bind(1, ref.account.rawValue)
        row.bind(2, ref.mailbox.rawValue)
        return try row.first { UIDCeiling(uidNext: $0.uid(0), modSeq: ModSeq($0.bits(1))) }
      } catch {
        // Damaged marks remember nothing; the next opening sets them aside and says so.
        return nil
      }
    }
  }
}
