public import MailStore
import NIOCore

extension MemoryStore {
  public func annotations(
    of id: AccountID, as viewer: AccountID
  ) async throws(StoreError) -> [MailboxID?: [Annotation]] {
    try await read { state throws(StoreError) in
      let account = try state.account(id)
      var found: [MailboxID?: [Annotation]] = [:]
      var seen = account.annotations
      if viewer != id {
        seen = seen.filter { !$0.key.entry.hasPrefix("/private/") }
        seen.merge(account.foreignAnnotations[viewer] ?? [:]) { $1 }
      }
      for (name, value) in seen.sorted(by: { $0.key.entry < $1.key.entry })
      where name.mailbox.map({ account.mailboxes[$0] != nil }) ?? true {
        found[name.mailbox, default: []].append(Annotation(name.entry, value))
      }
      return found
    }
  }

  public func setAnnotations(
    _ changes: [AnnotationChange], in mailbox: MailboxID?, of id: AccountID, as viewer: AccountID,
    limits: AnnotationLimits, by authors: [WatchID]
  ) async throws(StoreError) -> Bool {
    try await write { state throws(StoreError) in
      var account = try state.account(id)
      if let mailbox, account.mailboxes[mailbox]?.isSelectable != true { throw .mailboxGone }
      let kept = { (change: AnnotationChange) -> ByteBuffer? in
        let name = AnnotationName(mailbox, change.entry)
        return viewer == id || !change.isPrivate
          ? account.annotations[name] : account.foreignAnnotations[viewer]?[name]
      }
      let changes = state.settings.fault == .annotationStays ? changes.filter { $0.value != nil } : changes
      guard changes.contains(where: { kept($0) != $0.value }) else { return true }
      let octets = account.annotationOctets
      let own = changes.filter { viewer == id || !$0.isPrivate }
      let others = changes.filter { viewer != id && $0.isPrivate }
      var owners = account.annotations
      var viewers = account.foreignAnnotations[viewer] ?? [:]
      guard account.change(&owners, own, mailbox, limits), account.change(&viewers, others, mailbox, limits) else {
        return false
      }
      account.annotations = owners
      account.foreignAnnotations[viewer] = viewers.isEmpty ? nil : viewers
      let now = account.annotationOctets
      if now > octets, let limit = try state.limits(id, state.settings.defaultQuota).annotationBytes, now > limit {
        throw .overQuota(OverQuota(resource: .annotations, limit: limit, usage: Int64(octets)))
      }
      state.accounts[id] = account
      _ = state.modSeq(id)
      if let mailbox, let annotated = account.mailboxes[mailbox] { state.put(annotated, account.ref(annotated)) }
      if !own.isEmpty { state.annotated.append(AnnotatedPlace(mailbox, of: id, own, by: authors)) }
      if !others.isEmpty { state.annotated.append(AnnotatedPlace(mailbox, of: id, others, of: viewer, by: authors)) }
      return true
    }
  }
}

extension MemoryAccount {
  /// False: there would be too many.
  func change(
    _ annotations: inout [AnnotationName: ByteBuffer], _ changes: [AnnotationChange], _ mailbox: MailboxID?,
    _ limits: AnnotationLimits
  ) -> Bool {
    let before = annotations.keys.count { $0.mailbox == mailbox }
    let octets = octets(annotations)
    for change in changes { annotations[AnnotationName(mailbox, change.entry)] = change.value }
    return annotations.keys.count { $0.mailbox == mailbox } <= max(limits.entries, before)
      && self.octets(annotations) <= max(limits.octets, octets)
  }

  /// What counts in the account's quota.
  var annotationOctets: Int { octets(annotations) }

  /// Of mailboxes that are there.
  private func octets(_ annotations: [AnnotationName: ByteBuffer]) -> Int {
    annotations.filter { $0.key.mailbox.map { mailboxes[$0] != nil } ?? true }
      .reduce(0) { $0 + $1.key.entry.utf8.count + $1.value.readableBytes }
  }
}
