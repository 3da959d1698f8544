import IMAPCore
import MailNet
import MailStore
import NIOCore

/// A message that a REPLACE under way will remove.
struct ReplacedUID: Sendable {
  var uid: UID
  var ref: MailboxRef
  /// RFC822.SIZE.
  var size: Int
}

/// REPLACE and UID REPLACE (RFC 8508): an APPEND (`Append+Command.swift`) that ends here.
extension IMAPSession {
  /// The message that goes, before any literal is asked for.
  func find(_ replaces: ReplacedMessage) async throws(CommandError) -> ReplacedUID {
    // RFC 8508 §4.1
    _ = try writableView([.deleteMessages, .expunge])
    let indexes = try resolve(MessageSet([.init(replaces.number)]), uid: replaces.uid)
    let view = try selectedView()
    guard let uid = indexes.uids(in: view.told).first else { throw .no(.nonExistent, "No message has that UID") }
    guard !view.isGhost(uid) else { throw .store(.expunged(uid)) }
    let size = try await sumOfSizes([uid], view.mailbox.ref)
    return ReplacedUID(uid: uid, ref: view.mailbox.ref, size: Int(size))
  }

  func replace(
    _ replaced: ReplacedUID, with message: AppendedMessage, to destination: MailboxName, _ target: FoundMailbox
  ) async throws(CommandError) -> Completion {
    let account = try accountID()
    let assigned = try await longStoreCall("Appending") { store throws(StoreError) in
      target.isOwn && replaced.ref.account == account
        ? try await store.replace(replaced.uid, in: replaced.ref, with: message, to: target.info.name)
        : try await store.append(
          [message], to: target.ref, replacing: ReplacedRef(replaced.uid, in: replaced.ref), as: account)
    }
    guard !isOver else { throw .connectionClosed }
    noteOwn(assigned, in: destination, target.ref)
    if view?.mailbox.ref == replaced.ref { notify?.ownExpunged.append(replaced.uid) }
    // RFC 8508 §4.3: APPENDUID goes before the EXISTS and EXPUNGE, which the end of the command brings.
    if let code = assigned.appended(to: target) { say(.ok, code, "Replacement message ready") }
    return .ok("REPLACE completed")
  }
}
