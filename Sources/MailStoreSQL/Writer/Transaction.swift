import BlobStore
import MailStore

/// The commit under way and the job that is working on it. Lives on the writer's thread and nowhere else.
///
/// Rows of messages are written as a job goes; counters of mailboxes and accounts are kept in boxes and written once,
/// just before the commit, however many jobs changed them. What a failed job did to the boxes is taken back from `undo`,
/// what it did to the rows by its savepoint.
final class Transaction {
  let db: SQLConnection
  let settings: StoreSettings
  let directory: DirectoryCache
  let views: ViewRegistry
  let freeSpace: FreeSpace

  private var accounts = WarmAccounts(most: StoreLimits.warmAccounts)
  var nextBlob: Int64
  /// What `next_blob` says, if that is known: numbers below it may be given out without another row to write.
  private var blobCeiling: Int64 = 0
  /// Frames of the commit that have their place and their row.
  private var placed = 0

  // The commit
  private(set) var dirtyAccounts: [AccountBox] = []
  private(set) var dirtyMailboxes: [(account: AccountBox, mailbox: MailboxBox)] = []
  private(set) var changes: [MailboxRef: [MailboxChange]] = [:]
  /// Snapshots as they will be after the commit, for mailboxes whose next job wanted to know; with the number of
  /// `changes` that are in them.
  private var working: [MailboxRef: (snapshot: MailboxSnapshot, folded: Int)] = [:]
  private(set) var frames: [(blob: EncodedBlob, owners: [FrameOwner])] = []
  private(set) var frameBlobs: [(id: Int64, refs: Int64)] = []
  private(set) var packDeltas: [Int64: PackDelta] = [:]
  /// Chunks of contents of which some were let go (see `Reaper`).
  var thinnedChunks: Set<Int64> = []
  /// Accounts whose older rows could not be brought together (see `sealContents`).
  var unsealable: Set<Int64> = []
  /// Chunks that could not be made anew (see `Reaper`).
  var unthinnable: Set<Int64> = []
  /// The commit can be begun anew should bringing rows together fail.
  var maySeal = true
  /// Chunks of contents made in this commit.
  var seals = 0
  /// The job under way has just come upon such rows.
  var sealingFailed = false
  /// Something was written, so that there is something to commit.
  var hasWritten = false

  // The job
  private var undo: [Undo] = []
  private var jobChanges: [MailboxRef: MailboxChange] = [:]
  private var jobModSeqs: [Int64: ModSeq] = [:]
  private var jobAnnotated: [AnnotatedPlace] = []
  private var annotated: [AnnotatedPlace] = []
  private var jobShared = SharedChanges()
  private var shared = SharedChanges()

  struct PackDelta {
    var frames: Int64 = 0
    var bytes: Int64 = 0
    /// Up to where the commit has filled the pack; 0 when it wrote nothing to it.
    var end: Int64 = 0
  }

  private enum Undo {
    case counters(AccountBox, AccountCounters)
    case mailbox(MailboxBox, MailboxState)
    case shape(AccountBox, mailboxes: [Int64: MailboxBox], names: [String: Int64], subscriptions: Set<String>)
    case account(Int64)
  }

  /// What one target of a delivery may take back without ending the job.
  struct Mark {
    fileprivate let undo: Int
    fileprivate let changes: [MailboxRef: MailboxChange]
    fileprivate let modSeqs: [Int64: ModSeq]
    fileprivate let frames: Int
    fileprivate let nextBlob: Int64
    fileprivate let packDeltas: [Int64: PackDelta]
  }

  init(
    db: SQLConnection, settings: StoreSettings, directory: DirectoryCache, views: ViewRegistry, freeSpace: FreeSpace
  ) throws(StoreError) {
    self.db = db
    self.settings = settings
    self.directory = directory
    self.views = views
    self.freeSpace = freeSpace
    let row = try db("SELECT value FROM volume_state WHERE name = 'next_blob'")
    nextBlob = try row.first { $0.int(0) } ?? 1
  }

  var now: Int64 { settings.now() }

  // MARK: Accounts and mailboxes

  func accountIfAny(_ id: Int64) throws(StoreError) -> AccountBox? {
    if let account = accounts.find(id) { return account }
    guard let account = try MailTables.loadAccount(id, db) else { return nil }
    accounts.insert(account)
    return account
  }

  func account(_ id: AccountID) throws(StoreError) -> AccountBox {
    // The directory decides: mail of an account that was removed may still be there.
    guard directory.account(id.rawValue) != nil, let account = try accountIfAny(id.rawValue) else {
      throw .noSuchAccount("\(id)")
    }
    return account
  }

  func mailbox(_ ref: MailboxRef) throws(StoreError) -> (account: AccountBox, mailbox: MailboxBox) {
    let account = try account(ref.account)
    guard let mailbox = account.mailboxes[ref.mailbox.rawValue] else { throw .mailboxGone }
    return (account, mailbox)
  }

  /// A mailbox that can take messages.
  func target(_ name: String, in account: AccountBox) throws(StoreError) -> MailboxBox {
    guard let mailbox = account.mailbox(named: Names.canonical(name)) else { throw .noSuchMailbox(name) }
    guard mailbox.state.isSelectable else { throw .notSelectable(name) }
    return mailbox
  }

  func adopt(_ account: AccountBox) {
    undo.append(.account(account.id))
    accounts.insert(account)
    if !account.isDirty { dirtyAccounts.append(account) }
    account.isDirty = true
    account.isReshaped = true
  }

  func forget(_ id: Int64) { accounts.forget(id) }

  /// Nothing was written for a while. Between two commits the rows say what the boxes say, and are read again.
  func rest() {
    guard dirtyAccounts.isEmpty, dirtyMailboxes.isEmpty else { return }
    accounts.forgetAll()
    undo = []
    db.releaseMemory()
  }

  /// To be called before counters of `account` change.
  func touch(_ account: AccountBox) {
    hasWritten = true
    undo.append(.counters(account, account.counters))
    guard !account.isDirty else { return }
    account.isDirty = true
    dirtyAccounts.append(account)
  }

  /// To be called before the state of `mailbox` changes.
  func touch(_ mailbox: MailboxBox, of account: AccountBox) {
    hasWritten = true
    undo.append(.mailbox(mailbox, mailbox.state))
    guard !mailbox.isDirty else { return }
    mailbox.isDirty = true
    dirtyMailboxes.append((account, mailbox))
  }

  /// To be called before names, subscriptions or the set of mailboxes of `account` change.
  func reshape(_ account: AccountBox) {
    touch(account)
    undo.append(
      .shape(
        account, mailboxes: account.mailboxes, names: account.names, subscriptions: account.subscriptions))
    account.isReshaped = true
  }

  // MARK: Changes

  /// The MODSEQ of this job in this account: one step of the account's counter for each job.
  func modSeq(_ account: AccountBox) -> ModSeq {
    if let value = jobModSeqs[account.id] { return value }
    touch(account)
    account.counters.modSeq += 1
    jobModSeqs[account.id] = account.counters.modSeq
    return account.counters.modSeq
  }

  /// Notes what the job does to a mailbox, for the views; raises the mailbox's MODSEQ. Call `touch` first.
  func change(_ mailbox: MailboxBox, of account: AccountBox, _ body: (inout MailboxChange) -> Void) {
    let modSeq = modSeq(account)
    mailbox.state.highestModSeq = modSeq
    let ref = account.ref(mailbox)
    var change = jobChanges.removeValue(forKey: ref) ?? MailboxChange(ref: ref, modSeq: modSeq, uidNext: 0)
    body(&change)
    change.uidNext = mailbox.state.uidNext
    jobChanges[ref] = change
  }

  /// The mailbox as this job finds it, where a session has it in memory; nil when rows have to be read instead.
  func snapshot(_ ref: MailboxRef) -> MailboxSnapshot? {
    guard jobChanges[ref] == nil, let base = working[ref]?.snapshot ?? views.loaded(ref) else { return nil }
    let list = changes[ref] ?? []
    let folded = working[ref]?.folded ?? 0
    guard folded < list.count else { return base }
    let snapshot = list[folded...].reduce(base) { $0.applying($1) }
    working[ref] = (snapshot, list.count)
    return snapshot
  }

  /// Notes for the watches what the job has annotated.
  func note(_ annotated: AnnotatedPlace) { jobAnnotated.append(annotated) }

  /// Notes what the job does to the marks of viewers and to access control lists.
  func note(_ body: (inout SharedChanges) -> Void) { body(&jobShared) }

  // MARK: Blobs

  /// Notes a blob to be written with this commit, with as many references as it has owners.
  func addBlob(_ blob: EncodedBlob, owners: [FrameOwner]) -> Int64 {
    hasWritten = true
    let id = nextBlob
    nextBlob += 1
    frames.append((blob, owners))
    frameBlobs.append((id, Int64(owners.count)))
    return id
  }

  func countPack(_ pack: Int64, frames: Int64, bytes: Int64) {
    hasWritten = true
    packDeltas[pack, default: PackDelta()].frames += frames
    packDeltas[pack, default: PackDelta()].bytes += bytes
  }

  /// A frame was written for this commit, in use or not.
  func noteEnd(_ location: BlobLocation) {
    hasWritten = true
    let end = location.offset + location.frameLength
    packDeltas[location.pack, default: PackDelta()].end = max(packDeltas[location.pack]?.end ?? 0, end)
  }

  // MARK: Jobs

  func beginJob() {
    undo.removeAll(keepingCapacity: true)
    jobChanges.removeAll(keepingCapacity: true)
    jobModSeqs.removeAll(keepingCapacity: true)
    if !jobAnnotated.isEmpty { jobAnnotated = [] }
    if !jobShared.isEmpty { jobShared = SharedChanges() }
  }

  /// The job stands: its changes join those of the commit.
  func keepJob() {
    for (ref, change) in jobChanges {
      Self.add(change, to: &changes[ref, default: []], folded: working[ref]?.folded ?? 0)
    }
    if !jobAnnotated.isEmpty { annotated += jobAnnotated }
    if !jobShared.isEmpty { shared.merge(jobShared) }
    beginJob()
  }

  /// Deliveries that follow each other become one change, so that a thousand of them copy a view's last chunk once.
  /// A change that is in a working snapshot already is closed: what joined it now would be in no view.
  private static func add(_ change: MailboxChange, to list: inout [MailboxChange], folded: Int) {
    guard let last = list.indices.last, last >= folded, change.isPlainAddition, list[last].isPlainAddition,
      list[last].added.count + change.added.count <= MailboxSnapshot.chunkCapacity
    else {
      list.append(change)
      return
    }
    list[last].added += change.added
    list[last].modSeq = change.modSeq
    list[last].uidNext = change.uidNext
  }

  func mark() -> Mark {
    Mark(
      undo: undo.count, changes: jobChanges, modSeqs: jobModSeqs, frames: frames.count, nextBlob: nextBlob,
      packDeltas: packDeltas)
  }

  func takeBack(to mark: Mark) {
    while undo.count > mark.undo {
      switch undo.removeLast() {
      case .counters(let account, let counters): account.counters = counters
      case .mailbox(let mailbox, let state): mailbox.state = state
      case .shape(let account, let mailboxes, let names, let subscriptions):
        account.mailboxes = mailboxes
        account.names = names
        account.subscriptions = subscriptions
      case .account(let id):
        accounts.forget(id)
        dirtyAccounts.removeAll { $0.id == id }
      }
    }
    jobChanges = mark.changes
    jobModSeqs = mark.modSeqs
    frames.removeLast(frames.count - mark.frames)
    frameBlobs.removeLast(frameBlobs.count - mark.frames)
    nextBlob = mark.nextBlob
    // The row may be what it was before.
    blobCeiling = 0
    packDeltas = mark.packDeltas
  }

  // MARK: The commit

  /// Frames that are to be written yet.
  var unplacedFrames: ArraySlice<(blob: EncodedBlob, owners: [FrameOwner])> { frames[placed...] }

  /// Writes the rows of blobs, which have these places now, and the counters. May be called again when more jobs have run.
  func flush(_ locations: [BlobLocation]) throws(StoreError) {
    if !locations.isEmpty { try insertBlobs(locations) }
    for (account, mailbox) in dirtyMailboxes where account.mailboxes[mailbox.state.id] === mailbox {
      try MailTables.update(mailbox.state, account: account.id, db)
    }
    for account in dirtyAccounts { try MailTables.update(account, db) }
    guard !packDeltas.isEmpty else { return }
    let row = try db(
      """
      INSERT INTO pack (id, live_frames, live_bytes, known_bytes) VALUES (?1, ?2, ?3, ?4)
      ON CONFLICT (id) DO UPDATE SET live_frames = live_frames + ?2, live_bytes = live_bytes + ?3,
        known_bytes = MAX(known_bytes, ?4)
      """)
    for (pack, delta) in packDeltas {
      row.bind(1, pack)
      row.bind(2, delta.frames)
      row.bind(3, delta.bytes)
      row.bind(4, delta.end)
      try row.run()
    }
    packDeltas.removeAll(keepingCapacity: true)
  }

  private func insertBlobs(_ locations: [BlobLocation]) throws(StoreError) {
    let row = try db("INSERT INTO blob (id, pack, offset, frame, size, refs) VALUES (?, ?, ?, ?, ?, ?)")
    for (blob, location) in zip(frameBlobs[placed...], locations) {
      row.bind(1, blob.id)
      row.bind(2, location.pack)
      row.bind(3, location.offset)
      row.bind(4, location.frameLength)
      row.bind(5, location.rawSize)
      row.bind(6, blob.refs)
      try row.run()
      countPack(location.pack, frames: 1, bytes: location.frameLength)
      noteEnd(location)
    }
    placed += locations.count
    try coverBlobNumbers()
  }

  /// A number that was given out is never given out again, whatever happens: the row stays ahead of them.
  func coverBlobNumbers() throws(StoreError) {
    guard nextBlob > blobCeiling else { return }
    blobCeiling = nextBlob + StoreLimits.blobNumbers
    let next = try db("UPDATE volume_state SET value = ? WHERE name = 'next_blob'")
    next.bind(1, blobCeiling)
    try next.run()
  }

  /// After the commit: what readers and sessions are to see.
  func publication() -> Publication {
    var publication = Publication()
    for account in dirtyAccounts {
      if account.isReshaped {
        publication.accounts.append((account.id, account.published()))
        account.isReshaped = false
      } else {
        publication.usage.append(
          (
            account.id, QuotaUsage(bytes: account.counters.bytes, messages: account.counters.messages),
            account.counters.modSeq
          ))
      }
    }
    // A mailbox that was deleted, or whose creation was taken back, is not there any more.
    for (account, mailbox) in dirtyMailboxes where account.mailboxes[mailbox.state.id] === mailbox {
      publication.mailboxes.append((account.ref(mailbox), account.info(mailbox)))
      if !mailbox.state.viewers.isEmpty {
        publication.viewers.append((account.ref(mailbox), mailbox.state.viewers))
      }
    }
    publication.changes = changes
    publication.working = working
    publication.annotated = annotated
    publication.shared = shared
    return publication
  }

  func end() {
    for account in dirtyAccounts { account.isDirty = false }
    for (_, mailbox) in dirtyMailboxes { mailbox.isDirty = false }
    clear()
    accounts.age()
  }

  /// The whole commit came to nothing: what it touched is read anew at the next use.
  func abandon() {
    for account in dirtyAccounts { accounts.forget(account.id) }
    for (account, _) in dirtyMailboxes { accounts.forget(account.id) }
    blobCeiling = 0
    clear()
  }

  private func clear() {
    dirtyAccounts.removeAll(keepingCapacity: true)
    dirtyMailboxes.removeAll(keepingCapacity: true)
    changes.removeAll(keepingCapacity: true)
    working.removeAll(keepingCapacity: true)
    if !annotated.isEmpty { annotated = [] }
    if !shared.isEmpty { shared = SharedChanges() }
    frames.removeAll(keepingCapacity: true)
    frameBlobs.removeAll(keepingCapacity: true)
    packDeltas.removeAll(keepingCapacity: true)
    thinnedChunks = []
    seals = 0
    placed = 0
    hasWritten = false
    beginJob()
  }
}

extension MailboxChange {
  /// Only new messages.
  var isPlainAddition: Bool { updated.isEmpty && expunged.isEmpty && keywords == nil && !isDeletion }
}

/// What one commit shows to the rest of the process.
struct Publication {
  /// Accounts whose names, subscriptions or set of mailboxes changed, whole.
  var accounts: [(id: Int64, account: PublishedAccount)] = []
  var usage: [(id: Int64, usage: QuotaUsage, modSeq: ModSeq)] = []
  var mailboxes: [(ref: MailboxRef, info: MailboxInfo)] = []
  var changes: [MailboxRef: [MailboxChange]] = [:]
  var working: [MailboxRef: (snapshot: MailboxSnapshot, folded: Int)] = [:]
  var annotated: [AnnotatedPlace] = []
  var viewers: [(ref: MailboxRef, viewers: [Int64: ViewerCounts])] = []
  var shared = SharedChanges()
}
