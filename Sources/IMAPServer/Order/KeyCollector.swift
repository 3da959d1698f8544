import MailFormat
import MailStore
import SearchText

/// Takes keys out of rows on the store's visitor thread.
///
/// `@unchecked Sendable`: one visit calls it row after row, and the session looks at it again only when the visit has
/// returned; it is never in two places at once.
final class KeyCollector: @unchecked Sendable {
  private let keys: [OrderKey]
  private let collation: Collation
  private let references: Int
  private(set) var columns: [KeyColumn]
  private var fields = ThreadFields()
  private var subject: [UInt8] = []
  private var expected: ArraySlice<UID> = []

  /// - references: how many of each message are kept.
  init(_ keys: [OrderKey], by collation: Collation, references: Int) {
    self.keys = keys
    self.collation = collation
    self.references = references
    columns = keys.map { _ in KeyColumn() }
  }

  /// The messages of the next visit.
  func begin(_ uids: ArraySlice<UID>) { expected = uids }

  /// The visit is done with so many of them; what it did not find counts as messages that say nothing.
  func end(_ done: Int) {
    let rest = expected.endIndex - done
    while expected.startIndex < rest, let uid = expected.popFirst() { takeNothing(uid) }
  }

  /// How many of the visit's messages it has taken.
  func taken(of slice: ArraySlice<UID>) -> Int { expected.startIndex - slice.startIndex }

  func take(_ row: any MessageRow) {
    while let next = expected.first, next <= row.uid {
      expected.removeFirst()
      if next < row.uid { takeNothing(next) }
    }
    for index in keys.indices {
      switch keys[index] {
      case .date: columns[index].append(row.uid, Self.ordered(row.sentDate ?? row.internalDate.seconds))
      case .arrival: columns[index].append(row.uid, Self.ordered(row.internalDate.seconds))
      case .size: columns[index].append(row.uid, Self.ordered(Int64(row.size)))
      case .thread: takeThread(row, into: index)
      case let key:
        guard let text = key.text else { continue }
        columns[index].append(row.uid) { output in
          row.withSortText(text) { collation.appendKey($0, to: &output) }
        }
      }
    }
  }

  /// A message that cannot be read sorts as if its header said nothing.
  private func takeNothing(_ uid: UID) {
    for index in keys.indices {
      switch keys[index] {
      case .date, .arrival, .size: columns[index].append(uid, 0)
      case .thread: columns[index].append(uid) { (hashes: inout [UInt64]) in hashes.append(contentsOf: [0, 0]) }
      default: columns[index].append(uid) { (_: inout [UInt8]) in }
      }
    }
  }

  private func takeThread(_ row: any MessageRow, into index: Int) {
    row.withCommonHeaders { fields.read($0) }
    subject.removeAll(keepingCapacity: true)
    row.withSortText(.baseSubject) { collation.appendKey($0, to: &subject) }
    let hash = subject.isEmpty ? nil : subject.withUnsafeBytes { Self.hash($0) }
    columns[index].append(row.uid) { (output: inout [UInt64]) in
      output.append(fields.withMessageID { max(Self.hash($0), 1) } ?? 0)
      output.append(SubjectHash.make(hash, isReply: fields.isReply))
      let count = fields.referenceCount
      for place in 0..<count where place == 0 || count - place < references {
        output.append(max(fields.withReference(place) { Self.hash($0) }, 1))
      }
    }
  }

  /// Keyed anew in every process, so that nobody can make two identifiers of one hash. By chance a mailbox with a million
  /// of them has such a pair once in forty million times; two threads would then be one.
  private static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hasher = Hasher()
    hasher.combine(bytes: bytes)
    return UInt64(bitPattern: Int64(hasher.finalize()))
  }

  private static func ordered(_ value: Int64) -> UInt64 { UInt64(bitPattern: value) ^ (1 << 63) }
}
