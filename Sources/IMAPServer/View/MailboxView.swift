import MailStore

/// What one session's client knows of its selected mailbox.
///
/// `told` has one entry for each sequence number the client counts. While EXPUNGE may not be sent (RFC 9051 §7.5.1) it
/// still holds messages that are gone from the store: ghosts. Without ghosts it is the store's own snapshot, shared
/// with every other session, so an idle session holds no array of its own.
struct MailboxView {
  /// A closed range of UIDs. Not a `ClosedRange`: what the runtime finds out about an array of those takes 0.2 ms, for which
  /// the first SELECT would wait.
  struct Recent: Sendable, Hashable {
    let lower: UID
    let upper: UID
    init(_ range: ClosedRange<UID>) { (lower, upper) = (range.lowerBound, range.upperBound) }
    func contains(_ uid: UID) -> Bool { lower <= uid && uid <= upper }
  }

  let mailbox: any OpenMailbox
  let isReadOnly: Bool
  /// The name the client selected, as the store spells it.
  let name: String
  /// Nil: the account's own.
  var sharing: Sharing?
  private(set) var told: MailboxSnapshot
  /// The store's snapshot that `told` was last brought up to; ghosts apart they are the same.
  private(set) var synced: MailboxSnapshot
  private(set) var ghosts = 0
  /// Up to here the client has been told of every change: of what was expunged after it some may be held back.
  private(set) var safeModSeq: ModSeq
  /// UIDs that are `\Recent` in this session (RFC 3501 §2.3.2), ascending.
  private(set) var recent: [Recent] = []
  private(set) var recentCount = 0
  /// The search result variable (RFC 9051 §6.4.4.1), ascending; expunged messages are dropped when it is used.
  var saved: [UID] = []
  /// How many of the snapshot's keywords the last FLAGS response named.
  private(set) var announcedKeywords: Int

  init(mailbox: any OpenMailbox, snapshot: MailboxSnapshot, isReadOnly: Bool, sharing: Sharing? = nil) {
    self.mailbox = mailbox
    self.isReadOnly = isReadOnly
    self.sharing = sharing
    self.name = sharing?.name ?? mailbox.info.name
    self.told = snapshot
    self.synced = snapshot
    self.safeModSeq = snapshot.highestModSeq
    self.announcedKeywords = snapshot.keywords.count
    takeRecent()
  }

  /// Nobody is going to look for a while. What the store and other sessions share of it rests along.
  func rest() {
    told.rest()
    if synced !== told { synced.rest() }
  }

  /// Is there anything a sync could tell? False is certain.
  var mayHaveNews: Bool {
    guard let current = mailbox.current else { return true }
    return ghosts > 0 || current !== synced
  }

  func isRecent(_ uid: UID) -> Bool {
    guard let last = recent.last, uid <= last.upper else { return false }
    return recent.contains { $0.contains(uid) }
  }

  /// Still there after the last sync? Ghosts are not.
  func isGhost(_ uid: UID) -> Bool { ghosts > 0 && synced.index(of: uid) == nil }

  // MARK: Sync

  /// Brings `told` up to the store's state and returns what the client must hear for it. Nil: the mailbox is deleted.
  ///
  /// - Parameters:
  ///   - target: brings it up to this instead.
  ///   - expunge: whether EXPUNGE may be sent now; without it messages that are gone become ghosts.
  ///   - own: a STORE of this session, so that it is neither told twice nor told though it asked for silence.
  ///   - enabled: decides what there is to tell, and how.
  mutating func sync(
    upTo target: MailboxSnapshot? = nil, expunge: Bool, own: OwnStore? = nil, _ enabled: EnabledExtensions = []
  ) -> ViewUpdate? {
    guard let current = target ?? mailbox.current else { return nil }
    var update = ViewUpdate()
    if current === synced, ghosts == 0 || !expunge, own == nil { return update }

    let before = told.count
    let difference = told.difference(to: current)
    if expunge || difference.expunged.isEmpty {
      update.expunged = difference.expunged
      update.previousCount = before
      if enabled.tellsVanished { update.vanished = vanished(difference.expunged) }
      collect(difference, own: own, shifted: true, enabled, into: &update)
      told = current
      ghosts = 0
    } else {
      collect(difference, own: own, shifted: false, enabled, into: &update)
      told = told.applying(
        MailboxChange(
          ref: mailbox.ref, modSeq: current.highestModSeq, uidNext: current.uidNext, added: difference.added,
          updated: difference.updated.map(\.entry), keywords: current.keywords))
      ghosts = difference.expunged.count
    }
    synced = current
    if ghosts == 0 { safeModSeq = current.highestModSeq }
    if !difference.added.isEmpty { update.exists = told.count }
    let recentBefore = recentCount
    if !difference.added.isEmpty { takeRecent() } else if !update.expunged.isEmpty { countRecent() }
    if !difference.added.isEmpty || recentBefore != recentCount { update.recent = recentCount }
    if told.keywords.count > announcedKeywords {
      update.hasNewKeywords = true
      announcedKeywords = told.keywords.count
    }
    return update
  }

  private func collect(
    _ difference: MailboxSnapshot.Difference, own: OwnStore?, shifted: Bool, _ enabled: EnabledExtensions,
    into update: inout ViewUpdate
  ) {
    if enabled.tellsModSeqs {
      collectChanges(difference, own: own, shifted: shifted, into: &update)
    } else {
      collectFlags(difference, own: own, shifted: shifted, into: &update)
    }
  }

  private func vanished(_ indexes: [Int]) -> [UID] {
    var walk = EntryWalk(told)
    return indexes.map { walk.entry(at: $0).uid }
  }

  private func collectFlags(
    _ difference: MailboxSnapshot.Difference, own: OwnStore?, shifted: Bool, into update: inout ViewUpdate
  ) {
    var gone = 0
    func place(_ index: Int) -> Int {
      guard shifted else { return index }
      while gone < difference.expunged.count, difference.expunged[gone] < index { gone += 1 }
      return index - gone
    }
    var before = EntryWalk(told)
    if own?.isSilent != true { update.flags.reserveCapacity(difference.updated.count) }
    guard let own else {
      for (index, entry) in difference.updated where !before.entry(at: index).hasSameFlags(as: entry) {
        update.flags.append((place(index), entry))
      }
      return
    }
    // Messages of the STORE that nothing happened to are reported as well, unless silent: "the new value of the flags
    // is returned as if a FETCH of those flags was done" (RFC 9051 §6.4.6).
    var reported = own.isSilent ? [] : own.indexes.ranges[...]
    var next = reported.first?.lowerBound
    func advance(past index: Int) {
      guard let range = reported.first else { return }
      if index + 1 < range.upperBound {
        next = index + 1
      } else {
        reported = reported.dropFirst()
        next = reported.first?.lowerBound
      }
    }
    var expunged = difference.expunged[...]
    func reportUnchanged(below limit: Int) {
      while let index = next, index < limit {
        while let first = expunged.first, first < index { expunged = expunged.dropFirst() }
        if expunged.first != index { update.flags.append((place(index), before.entry(at: index))) }
        advance(past: index)
      }
    }
    for (index, entry) in difference.updated {
      reportUnchanged(below: index)
      if next == index {
        update.flags.append((place(index), entry))
        advance(past: index)
      } else if own.isSilent, own.indexes.contains(index) {
        // Silence covers only what the client can work out itself (RFC 9051 §6.4.6, note).
        if !own.expected(before.entry(at: index)).hasSameFlags(as: entry) { update.flags.append((place(index), entry)) }
      } else if !before.entry(at: index).hasSameFlags(as: entry) {
        update.flags.append((place(index), entry))
      }
    }
    reportUnchanged(below: told.count)
  }

  private mutating func takeRecent() {
    guard let fresh = isReadOnly ? mailbox.peekRecent() : mailbox.claimRecent() else {
      countRecent()
      return
    }
    if let last = recent.last, fresh.lowerBound <= last.upper || fresh.lowerBound == last.upper + 1 {
      recent[recent.count - 1] = Recent(min(last.lower, fresh.lowerBound)...max(last.upper, fresh.upperBound))
    } else {
      recent.append(Recent(fresh))
    }
    countRecent()
  }

  private mutating func countRecent() {
    recentCount = 0
    for range in recent {
      let lower = told.lowerBound(range.lower)
      let upper = range.upper == .max ? told.count : told.lowerBound(range.upper + 1)
      recentCount += upper - lower
    }
    if recentCount == 0 { recent.removeAll() }
  }
}

/// Entries of a snapshot by ascending indexes: a chunk is looked up once, not for each.
struct EntryWalk {
  private let snapshot: MailboxSnapshot
  private var chunk = 0
  private var entries: [MessageEntry] = []
  private var range = 0..<0
  init(_ snapshot: MailboxSnapshot) { self.snapshot = snapshot }

  mutating func entry(at index: Int) -> MessageEntry {
    if !range.contains(index) {
      while chunk + 1 < snapshot.starts.count, snapshot.starts[chunk + 1] <= index { chunk += 1 }
      entries = snapshot.chunks[chunk].entries
      range = snapshot.starts[chunk]..<snapshot.starts[chunk] + entries.count
    }
    return entries[index - range.lowerBound]
  }
}

/// A STORE this session has just made.
struct OwnStore {
  var indexes: IndexRanges
  var isSilent: Bool
  var mode: FlagChange.Mode
  var flags: SystemFlags
  /// Bits in the new snapshot's keywords.
  var keywords: UInt64
  /// Messages that UNCHANGEDSINCE has kept from it: their flags are told.
  var failed = IndexRanges.empty
  /// It had UNCHANGEDSINCE.
  var isConditional = false
  /// To clients that keep MODSEQs those of silent changes are told, unless answers will show them anyway.
  var tellsModSeqs = true

  /// What the client believes the message's flags are now.
  func expected(_ entry: MessageEntry) -> MessageEntry {
    var entry = entry
    switch mode {
    case .add:
      entry.flags.formUnion(flags)
      entry.keywords |= keywords
    case .remove:
      entry.flags.subtract(flags)
      entry.keywords &= ~keywords
    case .replace:
      entry.flags = flags
      entry.keywords = keywords
    }
    return entry
  }
}

/// What a client must hear to know its mailbox's state, in the order it must hear it.
struct ViewUpdate {
  /// Indexes before the update, ascending.
  var expunged: [Int] = []
  var previousCount = 0
  /// UIDs of `expunged`, for clients that want these.
  var vanished: [UID] = []
  /// Indexes after `expunged` has been told, ascending.
  var flags: [(index: Int, entry: MessageEntry)] = []
  /// The same for messages whose flags the client knows, but not their MODSEQ.
  var modSeqs: [(index: Int, entry: MessageEntry)] = []
  var exists: Int?
  var recent: Int?
  var hasNewKeywords = false
  var isEmpty: Bool {
    expunged.isEmpty && flags.isEmpty && modSeqs.isEmpty && exists == nil && recent == nil && !hasNewKeywords
  }
}

extension MessageEntry {
  /// Equal but for MODSEQ, which only CONDSTORE shows.
  @inline(__always)
  func hasSameFlags(as other: MessageEntry) -> Bool { flags == other.flags && keywords == other.keywords }
}
