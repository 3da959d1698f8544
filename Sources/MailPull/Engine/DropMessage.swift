import LocalMail
import POP3Client

/// One message of the drop in this session, and what is known of it.
struct DropMessage: Sendable, Hashable {
  enum Standing: Sendable, Hashable {
    /// Not known to be at home: to be fetched, unless its content turns out to be there.
    case unknown
    /// At home, and proved so: by a UIDL that nothing speaks against, or by all its bytes.
    case home(JournalID)
    /// Very likely at home: the first lines and the size are the same. Not enough for DELE.
    case likely(JournalID)
    /// An earlier run was cut short while the target took it; nobody can tell.
    case doubtful(JournalID)
    /// It failed in this session.
    case failed
  }
  typealias JournalID = Int64

  var listing: POP3Listing
  var standing: Standing
  var landedAt: Int64?
  /// An earlier session asked for its deletion, which did not happen.
  var wasDeleteAsked = false
  /// RETR handed out its bytes in this session.
  var isRetrieved = false

  var entry: JournalID? {
    switch standing {
    case .home(let id), .likely(let id), .doubtful(let id): id
    case .unknown, .failed: nil
    }
  }
  var isUnknown: Bool { standing == .unknown }
}

/// What LIST and UIDL of one session say, held against the journal.
struct Drop: Sendable {
  var messages: [DropMessage] = []
  /// Entries at home (or in doubt) that no message of the drop stands for so far, by number.
  var unexplained: [Int64: JournalLine] = [:]
  /// Nothing speaks against the UIDLs of this session.
  var isBelieved = false
  /// And something for them: some message was recognised by its UIDL.
  var isSound = false
  var warnings: [String] = []

  func index(ofNumber number: Int) -> Int? {
    // LIST counts from 1, without gaps unless messages were deleted.
    if number >= 1, number <= messages.count, messages[number - 1].listing.number == number { return number - 1 }
    return messages.firstIndex { $0.listing.number == number }
  }
}
