import MailStore

/// The maildrop of a session in the TRANSACTION state: a snapshot, and the marks that QUIT will carry out.
struct OpenDrop {
  let account: Account
  let maildrop: any Maildrop
  let lease: MaildropLease
  let messages: [MaildropMessage]
  private(set) var deleted: [Bool]
  /// Messages and octets that are not marked as deleted: what STAT says (RFC 1939 §5).
  private(set) var count: Int
  private(set) var octets: Int
  /// Whole messages sent to their last byte since the last RSET; what QUIT removes under `on-retrieve`.
  private(set) var retrieved: Set<Int> = []
  /// Whole messages sent at all.
  private(set) var everRetrieved: Set<Int> = []

  init(account: Account, maildrop: any Maildrop, lease: MaildropLease) {
    self.account = account
    self.maildrop = maildrop
    self.lease = lease
    let messages = maildrop.messages
    self.messages = messages
    deleted = Array(repeating: false, count: messages.count)
    count = messages.count
    octets = messages.reduce(0) { $0 + $1.size }
  }

  enum Lookup { case found(Int), none, deleted }

  /// The index of the message with this number, which counts from 1.
  func find(_ number: Int) -> Lookup {
    guard number >= 1, number <= messages.count else { return .none }
    return deleted[number - 1] ? .deleted : .found(number - 1)
  }

  mutating func markDeleted(_ index: Int) {
    guard !deleted[index] else { return }
    deleted[index] = true
    count -= 1
    octets -= messages[index].size
  }

  mutating func markRetrieved(_ index: Int) {
    retrieved.insert(index)
    everRetrieved.insert(index)
  }

  /// RSET: no message is marked, and what was retrieved stays on the server after all.
  mutating func reset() {
    for index in deleted.indices where deleted[index] {
      deleted[index] = false
      count += 1
      octets += messages[index].size
    }
    retrieved = []
  }

  /// What DELE marked, ascending.
  var marked: [Int] { deleted.indices.filter { deleted[$0] } }

  /// What QUIT removes, ascending: what is marked, and under `on-retrieve` what was retrieved.
  var leaving: [Int] {
    guard account.pop3Expire == .onRetrieve else { return marked }
    return deleted.indices.filter { deleted[$0] || retrieved.contains($0) }
  }
}
