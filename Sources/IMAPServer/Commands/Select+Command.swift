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
    let account = try accountID()
    // RFC 9051 §6.3.2: the old mailbox is left first, and stays so if the new one cannot be selected.
    if leaveMailbox() { say(.ok, .closed, "Previous mailbox is now closed") }
    let mailbox = try await longStoreCall("Opening") { store throws(StoreError) in
      try await store.openMailbox(command.mailbox.string, of: account, onChange: self.wakeUp())
    }
    guard !isOver, let snapshot = mailbox.current else {
      mailbox.close()
      throw isOver ? .connectionClosed : .store(.mailboxGone)
    }
    let view = MailboxView(mailbox: mailbox, snapshot: snapshot, isReadOnly: command.readOnly)
    self.view = view
    if command.condStore { enabled.insert(.condStore) }
    hasKeyNews = false
    listener.keyWatchers.add(self, mailbox.ref)
    writeSelectData(view)
    if let resync = command.resync {
      do throws(CommandError) { try await tellChanges(since: resync, view) } catch {
        leaveMailbox()
        throw error
      }
      guard !isOver else { throw .connectionClosed }
    }
    return command.readOnly
      ? .ok("EXAMINE completed", code: .readOnly) : .ok("SELECT completed", code: .readWrite)
  }

  private func writeSelectData(_ view: MailboxView) {
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
    say(.ok, Self.mechanisms, "Mechanisms of URLAUTH")
    if isRev2 {
      // RFC 9051 §6.3.2: its attributes MUST be accurate.
      var attributes = ListPlan.attributes(of: info, hasChildren: nil)
      if info.isSubscribed { attributes.insert(.subscribed) }
      connection.out.writeList(ListResponse(MailboxName(info.name), attributes: attributes), wire)
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
    if !view.isReadOnly {
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
