import IMAPCore
import MailNet
import MailStore

extension IMAPSession {
  /// What SELECT tells of the time in which a client was away (RFC 7162 §3.2.5): UIDs that went, then the flags and MODSEQs
  /// of all that changed or came.
  func tellChanges(since resync: Resync, _ view: MailboxView) async throws(CommandError) {
    // RFC 7162 §3.2.5: another UIDVALIDITY, and nothing of what the client knows counts; it sees the new one.
    guard resync.uidValidity == view.mailbox.info.uidValidity else { return }
    let known = resync.knownUIDs?.resolvedUIDs(last: 0) ?? [1...UID.max]
    var gone = known
    if let match = resync.match {
      let agreed = SequenceMatch(match).agreed(with: view.told)
      gone = known.filter { $0.upperBound > agreed }.map { max($0.lowerBound, agreed + 1)...$0.upperBound }
    }
    try await writeVanishedEarlier(try await vanished(gone, since: resync.modSeq, view))
    let told = view.told
    for uids in known {
      var index = told.lowerBound(uids.lowerBound)
      let end = uids.upperBound == .max ? told.count : told.lowerBound(uids.upperBound + 1)
      while index < end {
        let next = min(index + Self.entriesPerSlice, end)
        var changed: [(index: Int, entry: MessageEntry)] = []
        told.forEach(in: index..<next) { index, entry in
          if entry.modSeq > resync.modSeq { changed.append((index, entry)) }
        }
        writeFlags(changed[...], view, includeUID: true)
        index = next
        guard await drained() else { throw .connectionClosed }
      }
    }
  }

  private static let entriesPerSlice = 1024
}
