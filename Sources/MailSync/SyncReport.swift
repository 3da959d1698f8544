/// What happened to one mailbox.
public struct MailboxReport: Sendable, Hashable, Codable {
  public var mailbox: String
  public var downloaded = 0
  public var downloadedOctets: Int64 = 0
  public var uploaded = 0
  public var uploadedOctets: Int64 = 0
  /// Found on both sides without transfer: after a crash, a lost state, a new UIDVALIDITY.
  public var adopted = 0
  public var flagsToLocal = 0
  public var flagsToRemote = 0
  /// Into this mailbox, without transfer.
  public var movedLocally = 0
  public var movedRemotely = 0
  public var deletedLocally = 0
  public var deletedRemotely = 0
  public var quarantined = 0
  /// Deleted on one side and changed on the other: kept.
  public var kept = 0
  /// Local messages that a mirror leaves alone.
  public var onlyLocal = 0
  public var failed = 0
  /// One sentence each, the first `SyncLimits.reasons` of them.
  public var reasons: [String] = []
  public var brake: BrakeReport?

  public init(mailbox: String) { self.mailbox = mailbox }

  mutating func fail(_ reason: String, count: Int = 1) {
    failed += count
    note(reason)
  }

  mutating func note(_ reason: String) {
    if reasons.count < SyncLimits.reasons, !reasons.contains(reason) { reasons.append(reason) }
  }

  /// Something was changed on either side.
  public var hasChanges: Bool {
    downloaded + uploaded + adopted + flagsToLocal + flagsToRemote + movedLocally + movedRemotely + deletedLocally
      + deletedRemotely + kept > 0
  }

  mutating func add(_ other: MailboxReport) {
    downloaded += other.downloaded
    downloadedOctets += other.downloadedOctets
    uploaded += other.uploaded
    uploadedOctets += other.uploadedOctets
    adopted += other.adopted
    flagsToLocal += other.flagsToLocal
    flagsToRemote += other.flagsToRemote
    movedLocally += other.movedLocally
    movedRemotely += other.movedRemotely
    deletedLocally += other.deletedLocally
    deletedRemotely += other.deletedRemotely
    quarantined += other.quarantined
    kept += other.kept
    onlyLocal += other.onlyLocal
    failed += other.failed
    for reason in other.reasons { note(reason) }
    if let report = other.brake { brake = report }
  }
}

/// What one pass did.
public struct SyncReport: Sendable, Hashable, Codable {
  /// By remote name; mailboxes in which nothing happened are there too.
  public var mailboxes: [MailboxReport] = []
  public var foldersCreatedLocally: [String] = []
  public var foldersCreatedRemotely: [String] = []
  public var foldersRenamedLocally: [String] = []
  public var foldersRenamedRemotely: [String] = []
  public var foldersDeletedLocally: [String] = []
  public var foldersDeletedRemotely: [String] = []
  public var subscriptionsChanged = 0
  /// Local folders that a mirror leaves alone.
  public var onlyLocalFolders: [String] = []
  /// About folders and the account as a whole.
  public var problems: [String] = []
  /// Octets of the protocol that came from the server.
  public var octetsReceived: Int64 = 0
  public init() {}

  public var total: MailboxReport {
    var total = MailboxReport(mailbox: "")
    for report in mailboxes { total.add(report) }
    return total
  }

  public var brakes: [BrakeReport] { mailboxes.compactMap(\.brake) }
  /// Everything was done that there was to do.
  public var isComplete: Bool { problems.isEmpty && mailboxes.allSatisfy { $0.failed == 0 && $0.brake == nil } }
  public var hasChanges: Bool {
    mailboxes.contains(where: \.hasChanges) || subscriptionsChanged > 0
      || !(foldersCreatedLocally.isEmpty && foldersCreatedRemotely.isEmpty && foldersRenamedLocally.isEmpty
        && foldersRenamedRemotely.isEmpty && foldersDeletedLocally.isEmpty && foldersDeletedRemotely.isEmpty)
  }
}
