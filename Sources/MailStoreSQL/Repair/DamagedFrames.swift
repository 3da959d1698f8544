import BlobStore
import MailFormat
import MailStore
import NIOCore

/// The table `damaged`: frames whose bytes are not what was written. Reading one fails by its checksum anyway; the mark
/// is what lets a large one be refused before its first octet is sent, keeps compaction from trying it again and again,
/// and lets `check` tell news from what is known.
enum DamagedFrames {
  struct Message {
    var account: String
    var mailbox: String
    var uid: UID
    var subject: String
    var sentence: String {
      "\(account), \(mailbox), UID \(uid)" + (subject.isEmpty ? "" : ": \"\(subject)\"")
    }
  }

  /// The messages that show a content, those that are expunged and kept included.
  static func messages(
    of key: Int64, _ db: SQLConnection, names: (Int64) -> String?
  ) throws(StoreError) -> [Message] {
    let account = ContentKey.account(key)
    let head = try db("SELECT headers, version, chunk FROM content WHERE key = ?")
    head.bind(1, key)
    let subject = try head.first { row throws(StoreError) in
      guard row.int(1) == Int64(MessageSummary.parserVersion) else { return "" }
      guard let chunk = row.optionalInt(2) else { return Self.subject(row.buffer(0)) }
      let chunks = ContentChunks(db)
      return try chunks.find(key, in: chunk, ContentParts(.headers)) ? Self.subject(chunks.buffer(.headers)) : ""
    }
    let rows = try db(
      """
      SELECT b.name, m.mailbox, m.uid FROM message m LEFT JOIN mailbox b ON b.account = m.account AND b.id = m.mailbox
      WHERE m.account = ?1 AND m.content = ?2
      UNION ALL SELECT b.name, e.mailbox, e.uid FROM expunged e
      LEFT JOIN mailbox b ON b.account = e.account AND b.id = e.mailbox WHERE e.account = ?1 AND e.content = ?2
      ORDER BY 2, 3 LIMIT 100
      """)
    rows.bind(1, account)
    rows.bind(2, ContentKey.content(key))
    var result: [Message] = []
    try rows.forEach { row in
      result.append(
        Message(
          account: names(account) ?? "account \(account)", mailbox: row.optionalText(0) ?? "mailbox \(row.int(1))",
          uid: row.uid(2), subject: subject ?? ""))
    }
    return result
  }

  /// Of a header; for people, so at most a line of it, and nothing that moves a terminal's cursor.
  private static func subject(_ headers: ByteBuffer) -> String {
    var found = ""
    let span = headers.readableBytesSpan
    HeaderFields.forEach(span, in: 0..<headers.readableBytes) { name, value, _ in
      guard String(decoding: HeaderFields.unfolded(span, name), as: UTF8.self).lowercased() == "subject" else {
        return true
      }
      found = HeaderFields.decodedValue(span, value)
      return false
    }
    let line = found.unicodeScalars.map { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) ? " " : Character($0) }
    return String(line.prefix(80))
  }

  static func isMarked(_ location: BlobLocation, _ db: SQLConnection) throws(StoreError) -> Bool {
    let row = try db("SELECT 1 FROM damaged WHERE pack = ? AND offset = ?")
    row.bind(1, location.pack)
    row.bind(2, location.offset)
    return try row.first { _ in true } ?? false
  }
}

/// What is left of a damaged message, as a file.
enum Salvage {
  /// Nil: not one octet is left. The file is new; the folder is made if it is not there.
  static func write(
    _ location: BlobLocation, _ packs: PackStore, to folder: String, name: String
  ) throws(StoreError) -> String? {
    let files = PosixFileSystem()
    let path = "\(folder)/\(name)"
    var hasBytes = false
    do throws(BlobError) {
      _ = try files.createDirectory(folder)
      if try files.size(of: path) != nil { try files.unlink(path) }
      let file = try files.open(path, .createNew)
      var offset: Int64 = 0
      try packs.salvage(location) { piece throws(BlobError) in
        var bytes: ByteBuffer
        switch piece {
        case .bytes(let chunk):
          bytes = chunk
          hasBytes = true
        case .gap(let count):
          bytes = ByteBuffer(string: "\r\n[merpati: \(count) octets of the message are lost here]\r\n")
        }
        try bytes.withUnsafeReadableBytes { bytes throws(BlobError) in try file.pwrite(bytes, at: offset) }
        offset += Int64(bytes.readableBytes)
      }
      try file.fdatasync()
      file.close()
      if !hasBytes { try files.unlink(path) }
    } catch {
      // A pack that is gone leaves nothing; anything else is told.
      guard case .missing = error else { throw StoreError(error) }
      try? files.unlink(path)
      return nil
    }
    return hasBytes ? path : nil
  }
}
