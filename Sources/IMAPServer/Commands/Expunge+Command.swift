import IMAPCore
import MailStore
import NIOCore

extension IMAPSession {
  /// EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). The EXPUNGE responses come with the end of the command.
  func expunge(_ command: ExpungeCommand) async throws(CommandError) -> Completion {
    let ref = try writableView().mailbox.ref
    var uids: [UID]?
    if let set = command.uids {
      let indexes = try resolve(set, uid: true)
      uids = indexes.uids(in: try selectedView().told)
    }
    if uids?.isEmpty != true {
      let wanted = uids
      let gone = try await storeCall { store throws(StoreError) in try await store.expunge(wanted, in: ref) }
      notify?.ownExpunged += gone
    }
    return .ok(command.uids == nil ? "EXPUNGE completed" : "UID EXPUNGE completed")
  }
}
