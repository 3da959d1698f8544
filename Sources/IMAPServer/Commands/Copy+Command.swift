import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// COPY and UID COPY (RFC 9051 §6.4.7).
  func copy(_ command: CopyCommand) async throws(CommandError) -> Completion {
    let (uids, ref, code) = try messages(command.set, uid: command.uid)
    // RFC 9738 §3.1: all or nothing, so nothing.
    if let code { throw .no(code, "Too many messages at a time") }
    guard !uids.isEmpty else { return .ok("No messages, so nothing was copied") }
    let assigned = try await longStoreCall("Copying") { store throws(StoreError) in
      try await store.copy(uids, from: ref, to: command.mailbox.string)
    }
    noteOwn(assigned, in: command.mailbox)
    return .ok(command.uid ? "UID COPY completed" : "COPY completed", code: Self.copyUID(assigned))
  }

  /// MOVE and UID MOVE (RFC 9051 §6.4.8, RFC 6851).
  func move(_ command: MoveCommand) async throws(CommandError) -> Completion {
    _ = try writableView()
    let (uids, ref, code) = try messages(command.set, uid: command.uid)
    guard !uids.isEmpty else { return .ok("No messages, so nothing was moved") }
    let assigned = try await longStoreCall("Moving") { store throws(StoreError) in
      try await store.move(uids, from: ref, to: command.mailbox.string)
    }
    guard !isOver else { throw .connectionClosed }
    noteOwn(assigned, in: command.mailbox)
    notify?.ownExpunged += assigned.source
    // RFC 9051 §6.4.8: COPYUID goes in an untagged OK before the EXPUNGEs, which the end of the command brings.
    if let code = Self.copyUID(assigned) { say(.ok, code, "Moved") }
    // RFC 6851 §3.3: what was moved is moved, also under a NO.
    if let failure = assigned.failure { throw .store(failure) }
    return .ok(command.uid ? "UID MOVE completed" : "MOVE completed", code: code)
  }

  /// The UIDs a set means, none of them a message that is gone (RFC 2180 §4.4: then nothing is copied). `code`: there are
  /// more than one command may touch, and these are the last.
  private func messages(
    _ set: MessageSet, uid: Bool
  ) throws(CommandError) -> (uids: [UID], ref: MailboxRef, code: ResponseCode?) {
    var indexes = try resolve(set, uid: uid)
    let view = try selectedView()
    let code = limit(&indexes, view.told)
    var uids = indexes.uids(in: view.told)
    if view.ghosts > 0 {
      let left = uids.filter { !view.isGhost($0) }
      if left.count < uids.count, !uid { throw .no(.expungeIssued, "Some of the messages no longer exist") }
      uids = left
    }
    return (uids, view.mailbox.ref, code)
  }

  /// RFC 4315 §3: no code when nothing was copied.
  private static func copyUID(_ assigned: AssignedUIDs) -> ResponseCode? {
    guard !assigned.source.isEmpty else { return nil }
    return .copyUID(validity: assigned.uidValidity, source: assigned.source, assigned: assigned.assigned)
  }
}
