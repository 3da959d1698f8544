/// What a server kept about the messages of a Maildir folder, so that clients of the next server need not download again.
public struct UIDList: Sendable, Hashable {
  public struct Record: Sendable, Hashable {
    public var uid: UInt32
    /// Base of the file name; the key to `MaildirEntry.base`.
    public var base: String
    /// UIDL that POP3 clients know; nil: the server made it from other things.
    public var uidl: String?
    /// Identity of the message whatever folder it is in, if it is not the base.
    public var guid: String?
    /// Place in POP3's order, 1 for the first, if it is not that of the UIDs.
    public var pop3Order: UInt32?
    /// Octets of the file, and with CRLF line ends.
    public var size: Int64?
    public var wireSize: Int64?
    public init(uid: UInt32, base: String, uidl: String? = nil, guid: String? = nil) {
      self.uid = uid
      self.base = base
      self.uidl = uidl
      self.guid = guid
    }
  }

  public var uidValidity: UInt32
  /// Nil where the file does not tell: one more than the highest UID is safe if nothing was expunged.
  public var uidNext: UInt32?
  /// Of the mailbox: 32 hexadecimal digits.
  public var guid: String?
  /// Ascending UIDs.
  public var records: [Record]

  public init(uidValidity: UInt32, uidNext: UInt32? = nil, guid: String? = nil, records: [Record] = []) {
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.guid = guid
    self.records = records
  }
}

extension MaildirFolder {
  /// What a Dovecot left here, or else a Courier; nil if there is neither. A Courier's UIDLs are merged in; messages that
  /// only its POP3 server saw get no record (see `courierUIDLs`).
  public func uidList() throws(LocalMailError) -> UIDList? {
    if let list = try dovecotUIDList() { return list }
    guard var list = try courierUIDList() else { return nil }
    let uidls = try courierUIDLs()
    for index in list.records.indices { list.records[index].uidl = uidls[list.records[index].base] }
    return list
  }
}
