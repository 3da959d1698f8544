import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// SELECT and EXAMINE (RFC 9051 §6.3.2, §6.3.3; RFC 3501 §6.3.1).
  func select(_ command: SelectCommand) async throws(CommandError) -> Completion {
    try refuse(command.modifiers)
    if command.resync != nil, !enabled.contains(.qResync) {
      // RFC 7162 §3.2.3
      throw .bad("QRESYNC has to be enabled first")
    }
    let place = try await place(command.mailbox)
    guard !isOver else { throw .connectionClosed }
    // RFC 9051 §6.3.2: the old mailbox is left first, and stays so if the new one cannot be selected.
    if leaveMailbox() { say(.ok, .closed, "Previous mailbox is now closed") }
    guard let place else { throw .store(.noSuchMailbox(command.mailbox.string)) }
    if !place.isOwn { return try await selectShared(command) }
    let mailbox = try await longStoreCall("Opening") { store throws(StoreError) in
      try await store.openMailbox(place.name, of: place.account, onChange: self.wakeUp())
    }
    return try await show(mailbox, command, nil)
  }

  /// A mailbox of somebody else.
  private func selectShared(_ command: SelectCommand) async throws(CommandError) -> Completion {
    let found = try await findSelectable(command.mailbox, .read)
    let (account, ref) = (try accountID(), found.ref)
    let name = try await shownName(found, command.mailbox)
    let mailbox = try await longStoreCall("Opening") { store throws(StoreError) in
      try await store.openMailbox(ref, as: account, onChange: self.wakeUp())
    }
    return try await show(mailbox, command, Sharing(viewer: account, rights: found.rights, name: name))
  }

  /// What SELECT answers once the mailbox is open.
  private func show(
    _ mailbox: any OpenMailbox, _ command: SelectCommand, _ sharing: Sharing?
  ) async throws(CommandError) -> Completion {
    guard !isOver, let snapshot = mailbox.current else {
      mailbox.close()
      throw isOver ? .connectionClosed : .store(.mailboxGone)
    }
    let view = MailboxView(mailbox: mailbox, snapshot: snapshot, isReadOnly: command.readOnly, sharing: sharing)
    self.view = view
    if command.condStore { enabled.insert(.condStore) }
    hasKeyNews = false
    if sharing == nil, offersURLAuth { listener.keyWatchers.add(self, mailbox.ref) }
    writeSelectData(view, isSubscribed: try await isSubscribed(view))
    if let resync = command.resync {
      do throws(CommandError) { try await tellChanges(since: resync, view) } catch {
        leaveMailbox()
        throw error
      }
      guard !isOver else { throw .connectionClosed }
    }
    return .ok(command.readOnly ? "EXAMINE completed" : "SELECT completed", code: self.view?.selectCode ?? .readOnly)
  }

  /// Only IMAP4rev2 is told.
  private func isSubscribed(_ view: MailboxView) async throws(CommandError) -> Bool {
    guard let sharing = view.sharing, isRev2 else { return view.mailbox.info.isSubscribed }
    let listing = try await storeCall { store throws(StoreError) in try await store.mailboxes(of: sharing.viewer) }
    return listing.subscribedWithoutMailbox.contains(sharing.name)
  }

  private func writeSelectData(_ view: MailboxView, isSubscribed: Bool) {
    let info = view.mailbox.info
    connection.out.writeFlags(.storable, keywords: view.told.keywords)
    say(.ok, view.permanentFlags, view.isReadOnly ? "Read-only" : "Flags permitted")
    connection.out.writeExists(view.told.count)
    if !isRev2 {
      connection.out.writeRecent(view.recentCount)
      // RFC 9586 §3: no sequence number in any response.
      if !enabled.isUIDOnly, let first = view.told.firstUnseen {
        say(.ok, .unseen(UInt32(clamping: first + 1)), "First unseen")
      }
    }
    say(.ok, .uidValidity(info.uidValidity), "UIDs valid")
    say(.ok, .uidNext(view.told.uidNext), "Predicted next UID")
    say(.ok, .highestModSeq(view.told.highestModSeq), "Highest")
    // RFC 8474 §4.2
    let id = ObjectIdentifiers.mailbox(info, of: view.mailbox.ref.account)
    say(.ok, .mailboxID(id), "Mailbox's own")
    // Only its owner authorizes URLs of a mailbox.
    if view.sharing == nil, offersURLAuth { say(.ok, Self.mechanisms, "Mechanisms of URLAUTH") }
    if isRev2 {
      // RFC 9051 §6.3.2: its attributes MUST be accurate.
      var attributes = ListPlan.attributes(of: info, hasChildren: nil)
      if view.sharing != nil { attributes.subtract(.specialUses) }
      if isSubscribed { attributes.insert(.subscribed) }
      connection.out.writeList(ListResponse(MailboxName(view.name), attributes: attributes), wire)
    }
  }

  /// What the store calls, from any thread, when the mailbox has changed: one wake of the loop.
  private nonisolated func wakeUp() -> @Sendable () -> Void {
    let loop = connection.eventLoop
    return { [weak self] in
      loop.execute { [weak self] in self?.assumeIsolated { $0.mailboxChanged() } }
    }
  }

  /// Lets go of the selected mailbox; false: there was none.
  @discardableResult
  func leaveMailbox() -> Bool {
    guard let view else { return false }
    view.mailbox.close()
    listener.keyWatchers.remove(self, of: view.mailbox.ref.account)
    self.view = nil
    contexts = nil
    notify?.left(view)
    hasToldExpunge = false
    return true
  }

  /// UNSELECT (RFC 9051 §6.4.2).
  func unselect() -> Completion {
    leaveMailbox()
    return .ok("UNSELECT completed")
  }

  /// CLOSE (RFC 9051 §6.4.1): expunges without a word; not in a mailbox that was selected read-only.
  func closeMailbox() async throws(CommandError) -> Completion {
    guard let view else { throw .bad("Select a mailbox first") }
    guard looksAgain() else { throw .connectionClosed }
    // RFC 4314 §4: without `e` nothing is expunged, and all the same it is OK.
    if !view.isReadOnly, self.view?.rights.contains(.expunge) == true {
      let ref = view.mailbox.ref
      do throws(CommandError) {
        let gone = try await storeCall { store throws(StoreError) in try await store.expunge(nil, in: ref) }
        tally.expunged += gone.count
      } catch {
        // Left selected, so that the client may try again.
        throw error
      }
    }
    leaveMailbox()
    return .ok("CLOSE completed")
  }
}

extension MailboxSnapshot {
  /// The index of the first message without `\Seen`.
  var firstUnseen: Int? {
    for (number, chunk) in chunks.enumerated() {
      if let offset = chunk.entries.firstIndex(where: { !$0.flags.contains(.seen) }) { return starts[number] + offset }
    }
    return nil
  }
}
