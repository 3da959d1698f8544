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
    let target = try await target(command.mailbox)
    let assigned = try await longStoreCall("Copying") { store throws(StoreError) in
      switch target {
      case .own(let name): try await store.copy(uids, from: ref, to: name)
      case .shared(let target, let viewer):
        try await store.transfer(uids, from: ref, to: target.ref, moving: false, target.scope, as: viewer)
      }
    }
    noteOwn(assigned, in: command.mailbox, target)
    return .ok(command.uid ? "UID COPY completed" : "COPY completed", code: Self.copyUID(assigned, target))
  }

  /// MOVE and UID MOVE (RFC 9051 §6.4.8, RFC 6851).
  func move(_ command: MoveCommand) async throws(CommandError) -> Completion {
    // RFC 6851 §4.2
    _ = try writableView([.deleteMessages, .expunge])
    let (uids, ref, code) = try messages(command.set, uid: command.uid)
    guard !uids.isEmpty else { return .ok("No messages, so nothing was moved") }
    let target = try await target(command.mailbox)
    let assigned = try await longStoreCall("Moving") { store throws(StoreError) in
      switch target {
      case .own(let name): try await store.move(uids, from: ref, to: name)
      case .shared(let target, let viewer):
        try await store.transfer(uids, from: ref, to: target.ref, moving: true, target.scope, as: viewer)
      }
    }
    guard !isOver else { throw .connectionClosed }
    noteOwn(assigned, in: command.mailbox, target)
    notify?.ownExpunged += assigned.source
    // RFC 9051 §6.4.8: COPYUID goes in an untagged OK before the EXPUNGEs, which the end of the command brings.
    if let code = Self.copyUID(assigned, target) { say(.ok, code, "Moved") }
    // RFC 6851 §3.3: what was moved is moved, also under a NO.
    if let failure = assigned.failure { throw .store(failure) }
    return .ok(command.uid ? "UID MOVE completed" : "MOVE completed", code: code)
  }

  /// Where messages of the selected mailbox go. Between two mailboxes of one's own there is nothing to ask.
  private func target(_ name: MailboxName) async throws(CommandError) -> CopyTarget {
    guard let view, let place = try await place(name) else { throw .store(.noSuchMailbox(name.string)) }
    if view.sharing == nil, place.isOwn { return .own(place.name) }
    let found = try await findSelectable(name, .insert)
    guard !isOver else { throw .connectionClosed }
    return .shared(found, viewer: try accountID())
  }

  private func noteOwn(_ assigned: AssignedUIDs, in name: MailboxName, _ target: CopyTarget) {
    switch target {
    case .own: noteOwn(assigned, in: name)
    case .shared(let target, _): noteOwn(assigned, in: name, target.ref)
    }
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

  /// RFC 4315 §3: no code when nothing was copied, nor where the target may not be looked into.
  private static func copyUID(_ assigned: AssignedUIDs, _ target: CopyTarget) -> ResponseCode? {
    if case .shared(let found, _) = target, !found.showsUIDs { return nil }
    guard !assigned.source.isEmpty else { return nil }
    return .copyUID(validity: assigned.uidValidity, source: assigned.source, assigned: assigned.assigned)
  }
}

private enum CopyTarget: Sendable {
  case own(String)
  /// The source or the target is somebody else's.
  case shared(FoundMailbox, viewer: AccountID)
}
