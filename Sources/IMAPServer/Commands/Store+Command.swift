import Bytes
import IMAPCore
import MailStore
import NIOCore

extension IMAPSession {
  /// STORE and UID STORE (RFC 9051 §6.4.6).
  func store(_ command: StoreCommand) async throws(CommandError) -> Completion {
    try refuse(command.modifiers)
    let ref = try writableView().mailbox.ref
    let indexes = try resolve(command.set, uid: command.uid)
    let view = try selectedView()
    let uids = indexes.uids(in: view.told)
    let mode: FlagChange.Mode =
      switch command.mode {
      case .add: .add
      case .remove: .remove
      case .replace: .replace
      }
    let flags = SystemFlags(rawValue: command.flags.system.intersection(.storable).rawValue)
    let done = Completion.ok(command.uid ? "UID STORE completed" : "STORE completed")
    guard !uids.isEmpty else { return done }
    let change = FlagChange(mode, flags, keywords: command.flags.keywords)
    let outcome = try await longStoreCall("Storing") { store throws(StoreError) in
      try await store.changeFlags(change, of: uids, in: ref)
    }
    guard !isOver else { throw .connectionClosed }
    let own = OwnStore(
      indexes: indexes, isSilent: command.silent, mode: mode, flags: flags,
      keywords: view.mailbox.current?.bits(of: command.flags.keywords) ?? 0)
    await tellSlowly(expunge: false, includeUID: isRev2 || command.uid, own: own)
    // RFC 2180 §4.2.1 and §4.2.2: silently is well enough, otherwise the client learns that some were not there.
    if !outcome.missing.isEmpty, !command.uid, !command.silent {
      throw .no(.expungeIssued, "Some of the messages no longer exist")
    }
    return done
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
