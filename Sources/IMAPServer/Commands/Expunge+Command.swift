import IMAPCore
import MailStore
import NIOCore

extension IMAPSession {
  /// EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1). The EXPUNGE responses come with the end of the command.
  func expunge(_ command: ExpungeCommand) async throws(CommandError) -> Completion {
    let ref = try writableView(.expunge).mailbox.ref
    var uids: [UID]?
    var code: ResponseCode?
    if let set = command.uids {
      var indexes = try resolve(set, uid: true)
      let told = try selectedView().told
      if settings.messageLimit > 0 {
        // RFC 9738 §3.1: so many that are marked; EXPUNGE itself has no limit.
        indexes = indexes.marked(.deleted, in: told)
        code = limit(&indexes, told)
      }
      uids = indexes.uids(in: told)
    }
    if uids?.isEmpty != true {
      let wanted = uids
      let gone = try await longStoreCall("Expunging") { store throws(StoreError) in
        try await store.expunge(wanted, in: ref)
      }
      notify?.ownExpunged += gone
    }
    return .ok(command.uids == nil ? "EXPUNGE completed" : "UID EXPUNGE completed", code: code)
  }
}
