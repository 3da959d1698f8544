import IMAPClient
import IMAPCore

extension MailboxSurvey {
  /// Messages that the server has, as far as is known.
  var present: Int { rows.count { !$0.isGone } }

  /// The server's view is the one that was saved: no need to select the mailbox (RFC 7162 §3.1.2.1: every change of flags
  /// raises HIGHESTMODSEQ; a message less changes the count, one more UIDNEXT).
  func isCurrent(_ status: RemoteStatus?) -> Bool {
    guard let status, let modSeq = mailbox.highestModSeq, let validity = mailbox.uidValidity else { return false }
    return status.highestModSeq == modSeq && status.uidValidity == validity && status.messages == present
      && status.uidNext == mailbox.uidNext && status.uidNext != nil
  }

  var resyncPoint: ResyncPoint? {
    guard let validity = mailbox.uidValidity, let modSeq = mailbox.highestModSeq, modSeq > 0 else { return nil }
    let known = MessageSet(sorted: rows.lazy.filter { !$0.isGone }.map(\.uid).sorted())
    let isShort = !known.elements.isEmpty && known.elements.count <= SyncLimits.knownRanges
    return ResyncPoint(uidValidity: validity, modSeq: modSeq, knownUIDs: isShort ? known : nil)
  }

  /// What SELECT said about the mailbox.
  /// - examined: it was asked for reading only.
  mutating func take(_ selected: SelectedMailbox, examined: Bool) {
    mailbox.isReadOnly = selected.isReadOnly && !examined
    isRenumbered = mailbox.uidValidity != nil && mailbox.uidValidity != selected.uidValidity
    mailbox.uidValidity = selected.uidValidity
    mailbox.uidNext = selected.uidNext
    mailbox.highestModSeq = selected.highestModSeq
    // Where all is read-only the list says nothing; an empty one of a mailbox that can be written to means that nothing
    // is kept. Without PERMANENTFLAGS all flags can be changed (RFC 9051 §7.1): the client says so.
    let list = selected.permanentFlags
    let isTold = !list.isEmpty || selected.acceptsNewKeywords || !selected.isReadOnly
    mailbox.permanent = isTold ? list.system.intersection(.storable) : .storable
    mailbox.acceptsNewKeywords = selected.acceptsNewKeywords || !isTold
    mailbox.permanentKeywords = Set(list.keywords.map(KeywordName.init))
  }

  mutating func markGone(_ index: Int) {
    guard !rows[index].isGone else { return }
    rows[index].isGone = true
    dirty.insert(index)
  }

  mutating func markGone(in vanished: [ClosedRange<UInt32>]) {
    let ranges = vanished.sorted { $0.lowerBound < $1.lowerBound }
    for index in rows.indices {
      let uid = rows[index].uid
      // The last range that begins at or before this UID. (Servers don't let them overlap.)
      var (low, high) = (0, ranges.count)
      while low < high {
        let middle = (low + high) / 2
        if ranges[middle].lowerBound <= uid { low = middle + 1 } else { high = middle }
      }
      if low > 0, ranges[low - 1].contains(uid) { markGone(index) }
    }
  }

  mutating func markPresent(_ index: Int) {
    guard rows[index].isGone else { return }
    rows[index].isGone = false
    dirty.insert(index)
  }

  /// Brings known messages up to date; returns UIDs that are not known.
  mutating func update(_ messages: [RemoteMessage]) -> Set<UInt32> {
    var added: Set<UInt32> = []
    var indexes: [UInt32: Int] = [:]
    indexes.reserveCapacity(rows.count)
    for (index, row) in rows.enumerated() { indexes[row.uid] = index }
    for message in messages {
      guard let index = indexes[message.uid] else {
        added.insert(message.uid)
        continue
      }
      markPresent(index)
      let modSeq = message.modSeq ?? rows[index].modSeq
      guard let flags = message.flags, flags != rows[index].remote || modSeq != rows[index].modSeq else { continue }
      rows[index].remote = flags
      rows[index].modSeq = modSeq
      dirty.insert(index)
    }
    return added
  }

  /// New messages.
  mutating func add(_ messages: [RemoteMessage]) {
    for message in messages.sorted(by: { $0.uid < $1.uid }) {
      dirty.insert(rows.count)
      rows.append(KnownMessage(message))
    }
  }
}

extension RemoteMessage {
  init(flagsOf message: FetchedMessage) {
    self.init(uid: message.uid)
    flags = message.flags.map(SyncFlags.init)
    modSeq = message.modSeq
  }
}
