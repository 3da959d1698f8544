public import MailStore
import Synchronization

extension MemoryStore {
  public func expireRetrieved(of account: AccountID?, now: Int64) async throws(StoreError) -> Int {
    try await write { state throws(StoreError) in
      if let account { _ = try state.account(account) }
      var removed = 0
      for (id, entry) in state.accounts where account == nil || id == account {
        guard case .days(let days) = entry.account.pop3Expire, let inbox = entry.mailbox(named: "INBOX") else {
          continue
        }
        let before = now - Int64(max(days, 1)) * 86_400
        let due = inbox.messages.filter { message in message.retrieved.map { $0 <= before } == true }
        removed += try state.remove(Set(due.map(\.uid)), from: entry.ref(inbox)).count
      }
      return removed
    }
  }

  /// Lets go of the bytes of what was expunged long enough ago. An open maildrop holds all that is expunged in its account
  /// after its opening.
  public func compact() async throws(StoreError) -> CompactionReport {
    let before = settings.now() - Int64(settings.expungedRetentionDays) * 86_400
    var floors: [AccountID: ModSeq] = [:]
    for pin in openings.withLock({ Array($0.pins.values) }) {
      floors[pin.account] = min(floors[pin.account] ?? .max, pin.modSeq)
    }
    let pinned = floors
    return try await write { state in
      var report = CompactionReport()
      for (ref, list) in state.ghosts {
        let kept = list.filter { $0.value.time > before || $0.value.modSeq > pinned[ref.account] ?? .max }
        report.purgedMessages += list.count - kept.count
        state.ghosts[ref] = kept.isEmpty ? nil : kept
      }
      return report
    }
  }

  public func check() async throws(StoreError) -> CheckReport {
    try await read { state in
      var report = CheckReport(accounts: state.accounts.count)
      var blobs: [Int64: Int] = [:]
      for (id, account) in state.accounts {
        report.mailboxes += account.mailboxes.count
        for mailbox in account.mailboxes.values {
          report.messages += mailbox.messages.count
          for message in mailbox.messages { blobs[message.content.blob] = message.content.message.size }
          report.problems += Self.problems(mailbox, of: id, account)
        }
      }
      for ghost in state.ghosts.values.joined() {
        blobs[ghost.value.message.content.blob] = ghost.value.message.content.message.size
      }
      report.blobs = blobs.count
      report.blobBytes = blobs.values.reduce(0) { $0 + Int64($1) }
      return report
    }
  }

  private static func problems(_ mailbox: MemoryMailbox, of id: AccountID, _ account: MemoryAccount) -> [String] {
    var problems: [String] = []
    func note(_ what: String) { problems.append("account \(id), mailbox \(mailbox.name): \(what)") }
    var last: UID = 0
    for message in mailbox.messages {
      if message.uid <= last { note("UID \(message.uid) follows \(last)") }
      if message.modSeq > mailbox.highestModSeq { note("UID \(message.uid) has a MODSEQ above the mailbox's") }
      last = message.uid
    }
    if last >= mailbox.uidNext { note("UIDNEXT \(mailbox.uidNext) is not above UID \(last)") }
    if mailbox.highestModSeq > account.modSeq { note("its MODSEQ is above the account's") }
    return problems
  }
}
