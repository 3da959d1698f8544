import MailStore

/// What only a store with files of its own can do.
extension Administration {
  func upkeep() throws(ControlFailure) -> any MailStoreUpkeep {
    guard let upkeep = store as? any MailStoreUpkeep else {
      throw ControlFailure(.unavailable, "this store has neither backups nor deleted mail to bring back")
    }
    return upkeep
  }

  func restore(_ wanted: RestoredAccount) async throws -> RestoredAccountReport {
    var aside: String?
    if let old = try await store.account(named: wanted.name) {
      guard let name = wanted.setAside else {
        return RestoredAccountReport(isNew: false, sentence: "\(old.name) is there")
      }
      // Under another name and without a login; nothing of it is lost.
      let moved = try await store.updateAccount(old.id, AccountChange(name: name, isEnabled: false))
      credentialsChanged(old.id)
      aside = moved.name
    }
    guard let expire = POP3Expire(text: wanted.pop3Expire) else {
      throw ControlFailure(.data, "'\(wanted.pop3Expire)' is no POP3 policy")
    }
    let account = try await store.addAccount(
      NewAccount(
        name: wanted.name, credentials: wanted.credentials,
        quota: QuotaLimits(
          bytes: wanted.quotaBytes, messages: wanted.quotaMessages, mailboxes: wanted.quotaMailboxes,
          annotationBytes: wanted.quotaAnnotations), pop3Expire: expire))
    if !wanted.enabled { _ = try await store.updateAccount(account.id, AccountChange(isEnabled: false)) }
    credentialsChanged(nil)
    return RestoredAccountReport(
      isNew: true,
      sentence: "made \(account.name)" + (aside.map { "; the one that was there is now \($0), without a login" } ?? ""))
  }
}
