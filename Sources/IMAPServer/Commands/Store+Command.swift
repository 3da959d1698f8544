import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// STORE and UID STORE (RFC 9051 §6.4.6).
  func store(_ command: StoreCommand) async throws(CommandError) -> Completion {
    try refuse(command.modifiers)
    guard let (change, isCut) = command.change(within: try writableView([]).scope) else {
      throw .no(.noPerm, "You have no right to change these flags")
    }
    let known = try selectedView().told
    if command.unchangedSince != nil { enableCondStore() }
    var indexes = try resolve(command.set, uid: command.uid)
    let view = try selectedView()
    var code = limit(&indexes, view.told)
    let uids = indexes.uids(in: view.told)
    let done = Completion.ok(command.uid ? "UID STORE completed" : "STORE completed")
    guard !uids.isEmpty else { return done }
    let outcome: FlagOutcome
    if let modSeq = command.unchangedSince {
      outcome = try await changeFlags(change, of: indexes, unchangedSince: modSeq, known: known, view)
    } else {
      beginProgress("Storing")
      defer { endProgress() }
      outcome = try await storeFlags(change, of: uids, in: view)
    }
    guard !isOver else { throw .connectionClosed }
    let failed = IndexRanges(of: outcome.modified, in: view.told)
    var own = OwnStore(
      indexes: indexes.subtracting(failed), isSilent: command.silent && !isCut, mode: change.mode, flags: change.flags,
      keywords: view.mailbox.current?.bits(of: change.keywords) ?? 0)
    own.failed = failed
    own.isConditional = command.unchangedSince != nil
    if let modified = Self.modified(failed, uid: command.uid, view.told) {
      if let code { say(.no, code, "Only the last messages were looked at") }
      code = modified
    }
    await tellSlowly(expunge: false, includeUID: isRev2 || command.uid, own: own)
    // RFC 2180 §4.2.1 and §4.2.2: silently is well enough, otherwise the client learns that some were not there.
    if !outcome.missing.isEmpty, !command.uid, !command.silent {
      // RFC 7162 §3.1.3, example 11: MODIFIED goes with a NO as well.
      throw .no(code ?? .expungeIssued, "Some of the messages no longer exist")
    }
    guard let code else { return done }
    return .ok(failed.isEmpty ? "Done for the last messages" : "Conditional STORE failed for some", code: code)
  }
}

extension MailboxSnapshot {
  /// The bits of keywords by name, ASCII case aside (RFC 9051 §2.3.2).
  func bits(of names: [String]) -> UInt64 {
    var bits: UInt64 = 0
    for name in names {
      if let bit = keywords.firstIndex(where: { $0.equalsIgnoringASCIICase(name) }), bit < 64 {
        bits |= 1 << UInt64(bit)
      }
    }
    return bits
  }
}
