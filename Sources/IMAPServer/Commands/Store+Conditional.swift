import IMAPCore
import MailStore

extension IMAPSession {
  /// STORE with UNCHANGEDSINCE (RFC 7162 §3.1.3).
  ///
  /// A message has one MODSEQ for all its flags. Of `+FLAGS` and `-FLAGS` no message should fail only because other flags of
  /// it were changed (§3.1.12): what this client knew before the command (`known`) is compared with what it knows now, and
  /// where the flags of the command are the same the change is made if nothing happens meanwhile.
  func changeFlags(
    _ change: FlagChange, of indexes: IndexRanges, unchangedSince modSeq: ModSeq, known: MailboxSnapshot,
    _ view: MailboxView
  ) async throws(CommandError) -> FlagOutcome {
    let told = view.told
    let test = MetadataTest(change, told.bits(of: change.keywords), modSeq, known)
    var plain: [UID] = []
    var untouched: [UID] = []
    for range in indexes.ranges {
      told.forEach(in: range) { _, entry in
        if entry.modSeq > modSeq, test.isUntouched(entry) {
          untouched.append(entry.uid)
        } else {
          plain.append(entry.uid)
        }
      }
    }
    var first = change
    first.unchangedSince = modSeq
    var outcome = try await changeFlags(first, plain, view)
    guard !untouched.isEmpty, !isOver else { return outcome }
    var second = change
    second.unchangedSince = told.highestModSeq
    let rest = try await changeFlags(second, untouched, view)
    if outcome.modSeq == 0 { outcome.firstModSeq = rest.firstModSeq }
    outcome.modSeq = max(outcome.modSeq, rest.modSeq)
    outcome.missing = (outcome.missing + rest.missing).sorted()
    outcome.modified = (outcome.modified + rest.modified).sorted()
    return outcome
  }

  private func changeFlags(
    _ change: FlagChange, _ uids: [UID], _ view: MailboxView
  ) async throws(CommandError) -> FlagOutcome {
    uids.isEmpty ? FlagOutcome(modSeq: 0) : try await storeFlags(change, of: uids, in: view)
  }

  /// The end of a STORE that left messages as they are: their numbers or UIDs.
  static func modified(_ failed: IndexRanges, uid: Bool, _ told: MailboxSnapshot) -> ResponseCode? {
    guard !failed.isEmpty else { return nil }
    return .modified(Array(CompactRanges(uid ? failed.uids(in: told) : failed.sequenceNumbers)))
  }
}

/// Are the flags that a STORE is about the same as at the MODSEQ it names?
private struct MetadataTest {
  let change: FlagChange
  let keywords: UInt64
  let modSeq: ModSeq
  let known: MailboxSnapshot

  init(_ change: FlagChange, _ keywords: UInt64, _ modSeq: ModSeq, _ known: MailboxSnapshot) {
    self.change = change
    self.keywords = keywords
    self.modSeq = modSeq
    self.known = known
  }

  func isUntouched(_ entry: MessageEntry) -> Bool {
    guard change.mode != .replace else { return false }
    // RFC 7162 §3.1.3: 0 asks whether a keyword is there at all; system flags always are.
    if modSeq == 0 { return change.flags.isEmpty && !change.keywords.isEmpty && entry.keywords & keywords == 0 }
    guard let index = known.index(of: entry.uid) else { return false }
    let old = known[index]
    return old.modSeq <= modSeq && old.flags.symmetricDifference(entry.flags).isDisjoint(with: change.flags)
      && (old.keywords ^ entry.keywords) & keywords == 0
  }
}
