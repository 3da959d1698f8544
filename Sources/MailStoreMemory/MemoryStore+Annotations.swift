public import MailStore
import NIOCore

extension MemoryStore {
  public func annotations(of id: AccountID) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    try await read { state throws(StoreError) in
      let account = try state.account(id)
      var found: [MailboxID?: [Annotation]] = [:]
      for (name, value) in account.annotations.sorted(by: { $0.key.entry < $1.key.entry })
      where name.mailbox.map({ account.mailboxes[$0] != nil }) ?? true {
        found[name.mailbox, default: []].append(Annotation(name.entry, value))
      }
      return found
    }
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of id: AccountID, limits: AnnotationLimits,
    by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await write { state throws(StoreError) in
      var account = try state.account(id)
      if let mailbox, account.mailboxes[mailbox]?.isSelectable != true { throw .mailboxGone }
      guard changes.contains(where: { account.annotations[AnnotationName(mailbox, $0.entry)] != $0.value }) else {
        return true
      }
      let before = account.annotations.keys.count { $0.mailbox == mailbox }
      let octets = account.annotationOctets
      for change in changes { account.annotations[AnnotationName(mailbox, change.entry)] = change.value }
      guard account.annotations.keys.count(where: { $0.mailbox == mailbox }) <= max(limits.entries, before),
        account.annotationOctets <= max(limits.octets, octets)
      else { return false }
      state.accounts[id] = account
      _ = state.modSeq(id)
      if let mailbox, let annotated = account.mailboxes[mailbox] { state.put(annotated, account.ref(annotated)) }
      state.annotated.append(
        MemoryAnnotated(account: id, names: changes.map { AnnotationName(mailbox, $0.entry) }, authors: authors))
      return true
    }
  }
}

extension MemoryAccount {
  /// Of mailboxes that are there.
  var annotationOctets: Int {
    annotations.filter { $0.key.mailbox.map { mailboxes[$0] != nil } ?? true }
      .reduce(0) { $0 + $1.key.entry.utf8.count + $1.value.readableBytes }
  }
}

/// What a transaction has annotated.
struct MemoryAnnotated: Sendable {
  var account: AccountID
  var names: [AnnotationName]
  var authors: [WatchID]
}
