/// What an import wants of the mailbox it is going to fill (`MailStore.prepareImport`).
public struct ImportedMailbox: Sendable, Hashable, Codable {
  /// As in `MailStore.createMailbox`.
  public var name: String
  /// UIDVALIDITY where the messages come from, so that clients keep what they have cached. Nil: as it is.
  public var uidValidity: UInt32?
  /// UIDNEXT is raised to this. At the end of an import it is that of the source, so that UIDs of messages that were
  /// deleted there are not given again. Nil: as it is.
  public var uidNext: UID?
  /// Wanted when the mailbox is made, or has no use yet. It is taken from another mailbox only if that one never held a
  /// message.
  public var specialUse: SpecialUse?
  /// False leaves the subscription as it is.
  public var isSubscribed: Bool

  public init(
    name: String, uidValidity: UInt32? = nil, uidNext: UID? = nil, specialUse: SpecialUse? = nil,
    isSubscribed: Bool = false
  ) {
    self.name = name
    self.uidValidity = uidValidity
    self.uidNext = uidNext
    self.specialUse = specialUse
    self.isSubscribed = isSubscribed
  }
}

/// Why numbers that an import brought along cannot be given.
public enum ImportRefusal: Sendable, Hashable, Codable {
  /// UIDs ascend in the order in which messages come in (RFC 9051 §2.3.1.1).
  case uidNotAbove(UID, uidNext: UID)
  /// Not 1 to 70 octets 0x21–0x7E (RFC 1939 §7).
  case malformedUIDL(String)
  /// Another message of the account has it, or a later one could get it.
  case uidlInUse(String)
  /// The mailbox has given out UIDs under another UIDVALIDITY.
  case uidValidityFixed(mailbox: String, current: UInt32)
  /// An earlier mailbox of this name had it, for other messages.
  case uidValidityUsed(mailbox: String, UInt32)
  /// 0, or so high that no values would be left for new mailboxes.
  case uidValidityOutOfRange(UInt32)
}

extension MailStore {
  /// All or nothing (RFC 3502 §6.3.11).
  public func append(
    _ messages: [AppendedMessage], to mailbox: String, of account: AccountID
  ) async throws(StoreError) -> AssignedUIDs {
    try await append(messages, to: mailbox, of: account, ignoringQuota: false)
  }
}
