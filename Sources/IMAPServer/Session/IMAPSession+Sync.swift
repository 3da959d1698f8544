import IMAPCore
import MailNet
import MailStore
import NIOCore

/// What the client is told of its mailbox without having asked.
extension IMAPSession {
  /// Brings the view up to date. Nil: there is nothing to tell, or no mailbox.
  func nextUpdate(expunge: Bool, own: OwnStore? = nil) -> ViewUpdate? {
    guard view != nil else { return nil }
    if view?.sharing != nil, !looksAgain() { return nil }
    if let contexts { return watchedUpdate(contexts, expunge: expunge, own: own) }
    if let notify { return notifiedUpdate(notify, expunge: expunge, own: own) }
    guard let update = view?.sync(expunge: expunge, own: own, enabled) else {
      // RFC 2180 §3.3: the others who had it open are sent away.
      bye("The selected mailbox was deleted")
      return nil
    }
    return update.isEmpty ? nil : update
  }

  /// Tells all there is to tell at once.
  func tell(expunge: Bool, includeUID: Bool, own: OwnStore? = nil) {
    guard let update = nextUpdate(expunge: expunge, own: own) else { return }
    write(update, includeUID: includeUID)
  }

  /// Tells it in slices the socket can take.
  func tellSlowly(expunge: Bool, includeUID: Bool, own: OwnStore? = nil) async {
    if let own, own.indexes.count > settings.messagesOnLoop, contexts == nil, notify == nil, view?.sharing == nil {
      await syncElsewhere(expunge: expunge, own: own, includeUID: includeUID)
    } else if let update = nextUpdate(expunge: expunge, own: own) {
      await writeSlowly(update, includeUID: includeUID)
    }
  }

  /// A look at very many messages would keep others on this event loop waiting. Nothing else changes the view while a
  /// command is running.
  private func syncElsewhere(expunge: Bool, own: OwnStore, includeUID: Bool) async {
    guard let before = view else { return }
    let enabled = enabled
    let (after, update) = await offLoop {
      var view = before
      let update = view.sync(expunge: expunge, own: own, enabled)
      return (view, update)
    }
    guard !isOver, view != nil else { return }
    // RFC 2180 §3.3
    guard let update else { return bye("The selected mailbox was deleted") }
    view = after
    if !update.isEmpty { await writeSlowly(update, includeUID: includeUID) }
  }

  func write(_ update: ViewUpdate, includeUID: Bool) {
    guard !isOver, let view else { return }
    if let contexts { tellGone(contexts) }
    writeHead(update, view)
    if enabled.tellsVanished {
      for ranges in lines(of: update.vanished) { connection.out.writeVanished(ranges) }
    } else {
      for (gone, index) in update.expunged.enumerated() { connection.out.writeExpunge(index + 1 - gone) }
    }
    writeFlags(update.flags[...], view, includeUID: includeUID)
    writeModSeqs(update.modSeqs[...])
    writeTail(update)
  }

  func writeSlowly(_ update: ViewUpdate, includeUID: Bool) async {
    guard let view else { return }
    if let contexts { tellGone(contexts) }
    writeHead(update, view)
    if enabled.tellsVanished {
      for ranges in lines(of: update.vanished) {
        connection.out.writeVanished(ranges)
        if await !drained() { return }
      }
    } else {
      for (gone, index) in update.expunged.enumerated() {
        connection.out.writeExpunge(index + 1 - gone)
        if gone & 1023 == 1023, await !drained() { return }
      }
    }
    for start in stride(from: 0, to: update.flags.count, by: 1024) {
      let end = min(start + 1024, update.flags.count)
      writeFlags(update.flags[start..<end], view, includeUID: includeUID)
      if end < update.flags.count, await !drained() { return }
    }
    for start in stride(from: 0, to: update.modSeqs.count, by: 1024) {
      let end = min(start + 1024, update.modSeqs.count)
      writeModSeqs(update.modSeqs[start..<end])
      if end < update.modSeqs.count, await !drained() { return }
    }
    writeTail(update)
  }

  /// Waits for room in the socket once a chunk is full. False: the connection is gone.
  func drained() async -> Bool {
    if connection.out.readableBytes >= settings.outputChunk {
      do throws(ConnectionClosed) { try await connection.writable() } catch { return false }
    }
    return !isOver
  }

  private func writeHead(_ update: ViewUpdate, _ view: MailboxView) {
    tally.expunged += update.expunged.count
    if !update.expunged.isEmpty { hasToldExpunge = true }
    guard update.hasNewKeywords else { return }
    // RFC 9051 §7.3.5: flags applicable to the mailbox; §7.1: without `\*` once no keyword is left to give.
    connection.out.writeFlags(.storable, keywords: view.told.keywords)
    if !view.isReadOnly, view.told.keywords.count >= MailboxView.keywordLimit {
      say(.ok, view.permanentFlags, "No more keywords")
    }
  }

  private func writeTail(_ update: ViewUpdate) {
    // RFC 9051 §7.4.1; messages that are gone but not yet told still count.
    if let exists = update.exists { connection.out.writeExists(exists) }
    if let recent = update.recent, !isRev2 { connection.out.writeRecent(recent) }
  }

  /// What goes into one VANISHED each (RFC 7162 §3.2.10.2: every UID in it is one message fewer).
  private func lines(of uids: [UID]) -> [ArraySlice<ClosedRange<UID>>] {
    let ranges = Array(CompactRanges(uids))
    return stride(from: 0, to: ranges.count, by: Self.rangesPerLine).map { start in
      ranges[start..<min(start + Self.rangesPerLine, ranges.count)]
    }
  }

  /// Of messages whose flags the client can work out itself (RFC 7162 §3.1.3, example 3).
  private func writeModSeqs(_ changes: ArraySlice<(index: Int, entry: MessageEntry)>) {
    for (index, entry) in changes {
      var line = startLine(index, entry, into: &connection.out)
      if !enabled.isUIDOnly { line.writeUID(entry.uid, into: &connection.out) }
      line.writeModSeq(entry.modSeq, into: &connection.out)
      line.end(into: &connection.out)
    }
  }

  func startLine(_ index: Int, _ entry: MessageEntry, into buffer: inout ByteBuffer) -> FetchLine {
    enabled.isUIDOnly ? FetchLine(uid: entry.uid, into: &buffer) : FetchLine(sequence: index + 1, into: &buffer)
  }

  func writeFlags(
    _ flags: ArraySlice<(index: Int, entry: MessageEntry)>, _ view: MailboxView, includeUID: Bool
  ) {
    // Held here while it is written to: a class's property costs a check at each access.
    var out = ByteBuffer()
    swap(&out, &connection.out)
    defer { swap(&out, &connection.out) }
    let names = view.told.keywords
    let enabled = enabled
    // RFC 9051 §6.4.9, appendix E.21; RFC 7162 §3.2.4; RFC 5465 §5.1. A UIDFETCH has it anyway.
    let includeUID = (includeUID || enabled.tellsModSeqs || notify != nil) && !enabled.isUIDOnly
    for (index, entry) in flags {
      var line = startLine(index, entry, into: &out)
      if includeUID { line.writeUID(entry.uid, into: &out) }
      if enabled.tellsModSeqs { line.writeModSeq(entry.modSeq, into: &out) }
      line.writeFlags(view.shownFlags(entry, isRev2: isRev2), keywords: entry.keywords, names: names, into: &out)
      line.end(into: &out)
    }
  }
}

extension MailboxView {
  /// Keywords a mailbox can have: the bits of an entry.
  static let keywordLimit = 64

  /// `\Recent` is shown to IMAP4rev1 only (RFC 9051 appendix E.12).
  func shownFlags(_ entry: MessageEntry, isRev2: Bool) -> FlagSet {
    var flags = FlagSet(rawValue: entry.flags.rawValue)
    if !isRev2, isRecent(entry.uid) { flags.insert(.recent) }
    return flags
  }
}

extension ViewUpdate {
  /// Lines this will take.
  var messages: Int { expunged.count + flags.count + modSeqs.count }
}
