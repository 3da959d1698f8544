import MailStore

/// The maildrop of a session in the TRANSACTION state: a snapshot, and the marks that QUIT will carry out. A class, and of
/// one session: a mark is one octet written, however many messages there are.
///
/// Of a large maildrop the totals are known first and the messages a little later, so that whoever only asks for STAT
/// waits for nothing.
final class OpenDrop {
  private struct Marks: OptionSet {
    let rawValue: UInt8
    static let deleted = Marks(rawValue: 1)
    /// Sent whole to its last byte since the last RSET; what QUIT removes under `on-retrieve`.
    static let retrieved = Marks(rawValue: 2)
    /// Sent whole at all.
    static let everRetrieved = Marks(rawValue: 4)
  }

  let account: Account
  let maildrop: any Maildrop
  let lease: MaildropLease
  /// Empty before `list`.
  private(set) var messages: [MaildropMessage] = []
  private var marks: [Marks] = []
  /// Messages and octets that are not marked as deleted: what STAT says (RFC 1939 §5).
  private(set) var count: Int
  private(set) var octets: Int
  private(set) var isListed = false

  init(account: Account, maildrop: any Maildrop, lease: MaildropLease) {
    self.account = account
    self.maildrop = maildrop
    self.lease = lease
    count = maildrop.totals.messages
    octets = maildrop.totals.octets
    if maildrop.isListed { list() }
  }

  /// The maildrop's messages have been read.
  func list() {
    guard !isListed else { return }
    isListed = true
    messages = maildrop.messages
    marks = Array(repeating: [], count: messages.count)
    count = messages.count
    octets = messages.reduce(0) { $0 + $1.size }
  }

  enum Lookup { case found(Int), none, deleted }

  /// The index of the message with this number, which counts from 1.
  func find(_ number: Int) -> Lookup {
    guard number >= 1, number <= messages.count else { return .none }
    return isDeleted(number - 1) ? .deleted : .found(number - 1)
  }

  func isDeleted(_ index: Int) -> Bool { marks[index].contains(.deleted) }

  func markDeleted(_ index: Int) {
    guard marks[index].insert(.deleted).inserted else { return }
    count -= 1
    octets -= messages[index].size
  }

  func markRetrieved(_ index: Int) { marks[index].formUnion([.retrieved, .everRetrieved]) }

  /// RSET: no message is marked, and what was retrieved stays on the server after all.
  func reset() {
    for index in marks.indices {
      if marks[index].contains(.deleted) {
        count += 1
        octets += messages[index].size
      }
      marks[index].formIntersection(.everRetrieved)
    }
  }

  /// What DELE marked, ascending.
  var marked: [Int] { marks.indices.filter { marks[$0].contains(.deleted) } }

  /// What QUIT removes, ascending: what is marked, and under `on-retrieve` what was retrieved.
  var leaving: [Int] {
    guard account.pop3Expire == .onRetrieve else { return marked }
    return marks.indices.filter { !marks[$0].isDisjoint(with: [.deleted, .retrieved]) }
  }

  /// What was ever retrieved, ascending.
  var everRetrieved: [Int] { marks.indices.filter { marks[$0].contains(.everRetrieved) } }
}
