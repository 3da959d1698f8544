public import SearchText

/// What is known of a mailbox's messages without looking at them: whether they hold a text.
public struct Narrowed: Sendable, Hashable {
  /// These do, and those do not; of all others nothing is known. Ascending, and without UIDs of messages that were not looked
  /// up.
  public var yes: [ClosedRange<UID>]
  public var no: [ClosedRange<UID>]

  public init(yes: [ClosedRange<UID>], no: [ClosedRange<UID>]) {
    self.yes = yes
    self.no = no
  }
}

/// How far a search index is.
public struct SearchIndexStatus: Sendable, Hashable, Codable {
  /// Messages looked at since the store was opened, and those known to wait.
  public var indexed: Int64
  public var waiting: Int64
  public var segments: Int64
  /// Octets on the disk.
  public var octets: Int64
  /// Microseconds of processor time that the messages looked at have taken.
  public var microseconds: Int64
  /// Why nothing is indexed at the moment.
  public var trouble: String?

  public init(
    indexed: Int64 = 0, waiting: Int64 = 0, segments: Int64 = 0, octets: Int64 = 0, microseconds: Int64 = 0,
    trouble: String? = nil
  ) {
    self.indexed = indexed
    self.waiting = waiting
    self.segments = segments
    self.octets = octets
    self.microseconds = microseconds
    self.trouble = trouble
  }
}

extension MailStore {
  /// A store without an index knows nothing beforehand.
  public func narrow(_ terms: [SearchTerm], in ref: MailboxRef) async throws(StoreError) -> [Narrowed?] {
    terms.map { _ in nil }
  }
}
