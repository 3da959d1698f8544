import IMAPCore
import MailStore

/// What messages are sorted or threaded by; a column of keys for each is read and kept on its own.
enum OrderKey: UInt8, Sendable, Hashable {
  /// Sent date, or INTERNALDATE where that cannot be read (RFC 5256 §2.2).
  case date
  case arrival
  case size
  case subject, from, to, cc, displayFrom, displayTo
  /// Identifier, base subject and references, as hashes.
  case thread
  /// Worked out by the search; never kept.
  case relevancy

  init(_ key: SortCriterion.Key) {
    self =
      switch key {
      case .arrival: .arrival
      case .cc: .cc
      case .date: .date
      case .displayFrom: .displayFrom
      case .displayTo: .displayTo
      case .from: .from
      case .size: .size
      case .subject: .subject
      case .to: .to
      case .relevancy: .relevancy
      }
  }

  /// For those that are texts.
  var text: SortText? {
    switch self {
    case .date, .arrival, .size, .thread, .relevancy: nil
    case .subject: .baseSubject
    case .from: .from
    case .to: .to
    case .cc: .cc
    case .displayFrom: .displayFrom
    case .displayTo: .displayTo
    }
  }

  /// The comparator counts (RFC 5255 §4.2).
  var isCollated: Bool { text != nil || self == .thread }

  var needs: ContentNeeds {
    switch self {
    case .date: [.sortKeys, .dates]
    case .arrival: .dates
    // RFC822.SIZE is in every row.
    case .size, .relevancy: []
    case .subject, .from, .to, .cc, .displayFrom, .displayTo: .sortKeys
    case .thread: [.sortKeys, .headers]
    }
  }
}

/// One kind of key of many messages, in UID order. A message's keys never change, so a column only grows.
struct KeyColumn: Sendable {
  private(set) var uids: [UID] = []
  /// Dates and sizes, so that they compare as they stand.
  private(set) var numbers: [UInt64] = []
  /// Where each message's part of `text` or `hashes` ends.
  private(set) var ends: [Int] = []
  /// Collated (see `Collation.appendKey`).
  private(set) var text: [UInt8] = []
  /// Of each message: its identifier (0: none), its base subject (see `SubjectHash`), then its references.
  private(set) var hashes: [UInt64] = []

  var count: Int { uids.count }
  /// Octets it takes up.
  var bytes: Int { uids.capacity * 4 + (numbers.capacity + ends.capacity + hashes.capacity) * 8 + text.capacity }

  func textRange(_ place: Int) -> Range<Int> { (place > 0 ? ends[place - 1] : 0)..<ends[place] }

  mutating func append(_ uid: UID, _ number: UInt64) {
    uids.append(uid)
    numbers.append(number)
  }

  /// `write` appends to the column's text.
  mutating func append(_ uid: UID, text write: (inout [UInt8]) -> Void) {
    write(&text)
    uids.append(uid)
    ends.append(text.count)
  }

  /// `write` appends the message's hashes.
  mutating func append(_ uid: UID, hashes write: (inout [UInt64]) -> Void) {
    write(&hashes)
    uids.append(uid)
    ends.append(hashes.count)
  }

  /// Both together, without the messages that are in neither `uids`. All are in UID order.
  func merging(_ other: KeyColumn, keeping kept: [UID]) -> KeyColumn {
    var result = KeyColumn()
    result.uids.reserveCapacity(count + other.count)
    if !numbers.isEmpty || !other.numbers.isEmpty { result.numbers.reserveCapacity(count + other.count) }
    if !ends.isEmpty || !other.ends.isEmpty { result.ends.reserveCapacity(count + other.count) }
    result.text.reserveCapacity(text.count + other.text.count)
    result.hashes.reserveCapacity(hashes.count + other.hashes.count)
    var mine = 0
    var theirs = 0
    for uid in kept {
      while mine < count, uids[mine] < uid { mine += 1 }
      while theirs < other.count, other.uids[theirs] < uid { theirs += 1 }
      if mine < count, uids[mine] == uid {
        result.append(self, mine)
      } else if theirs < other.count, other.uids[theirs] == uid {
        result.append(other, theirs)
      }
    }
    return result
  }

  private mutating func append(_ column: KeyColumn, _ place: Int) {
    uids.append(column.uids[place])
    if !column.numbers.isEmpty { numbers.append(column.numbers[place]) }
    guard !column.ends.isEmpty else { return }
    let range = column.textRange(place)
    if !column.hashes.isEmpty {
      hashes.append(contentsOf: column.hashes[range])
      ends.append(hashes.count)
    } else {
      text.append(contentsOf: column.text[range])
      ends.append(text.count)
    }
  }

  /// Those of `wanted` that it does not have.
  func missing(_ wanted: [UID]) -> [UID] {
    var result: [UID] = []
    var place = 0
    for uid in wanted {
      while place < count, uids[place] < uid { place += 1 }
      if place == count || uids[place] != uid { result.append(uid) }
    }
    return result
  }

  /// Where the messages stand in it; -1 for what it does not have.
  func places(of wanted: [UID]) -> [Int32] {
    var result: [Int32] = []
    result.reserveCapacity(wanted.count)
    var place = 0
    for uid in wanted {
      while place < count, uids[place] < uid { place += 1 }
      result.append(place < count && uids[place] == uid ? Int32(truncatingIfNeeded: place) : -1)
    }
    return result
  }
}

/// A base subject in a column: a hash, 0 for the empty one, and in the lowest bit whether it was that of a reply or forward.
enum SubjectHash {
  static func make(_ hash: UInt64?, isReply: Bool) -> UInt64 {
    let subject = hash.map { max($0 & ~1, 2) } ?? 0
    return subject | (isReply ? 1 : 0)
  }
  static func subject(_ value: UInt64) -> UInt64 { value & ~1 }
  static func isReply(_ value: UInt64) -> Bool { value & 1 == 1 }
}
