import MailStore
import SearchText

/// A search criterion, compiled against one view: sets are indexes, keywords are bits, texts are folded.
indirect enum SearchNode: Sendable {
  case all
  case none
  case indexes(IndexRanges)
  /// All of these flags are set.
  case flags(SystemFlags)
  case keyword(UInt64)
  case recent([MailboxView.Recent])
  /// Days since 1970-01-01, by the zone that stands in INTERNALDATE itself (RFC 9051 §6.4.4: time and zone disregarded).
  case internalDay(DayTest, Int32)
  case sentDay(DayTest, Int32)
  /// INTERNALDATE in seconds since 1970-01-01, this one included.
  case receivedUntil(Int64)
  case receivedFrom(Int64)
  /// In UTC, as SAVEDATE is shown.
  case savedDay(DayTest, Int32)
  case modSeq(ModSeq)
  case emailID(String)
  case threadID(String)
  case larger(Int64)
  case smaller(Int64)
  case header(HeaderNeedle)
  case body(TextNeedle)
  case text(TextNeedle)
  case and([SearchNode])
  case or([SearchNode])
  case not(SearchNode)
  /// A text, with what is known of it beforehand; never within another one.
  case narrowed(KnownVerdicts, SearchNode)

  enum DayTest: Sendable {
    case before, on, since
    func holds(_ day: Int32, _ limit: Int32) -> Bool {
      switch self {
      case .before: day < limit
      case .on: day == limit
      case .since: day >= limit
      }
    }
  }

  struct HeaderNeedle: Sendable {
    /// Lower case.
    var name: [UInt8]
    var needle: TextNeedle
    /// The store keeps lines of this name beside the message.
    var isCommon: Bool
  }

  /// What has to be at hand to decide; each level includes the ones before.
  enum Level: Int, Comparable, Sendable {
    /// The snapshot.
    case snapshot
    /// Columns of the row.
    case columns
    /// The message itself.
    case message
    static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  var level: Level {
    switch self {
    case .all, .none, .indexes, .flags, .keyword, .recent, .modSeq: .snapshot
    case .internalDay, .sentDay, .savedDay, .receivedUntil, .receivedFrom, .larger, .smaller, .emailID, .threadID:
      .columns
    case .header(let header): header.isCommon ? .columns : .message
    case .body(let needle), .text(let needle): needle.isEmpty ? .snapshot : .message
    case .and(let nodes), .or(let nodes): nodes.map(\.level).max() ?? .snapshot
    case .not(let node), .narrowed(_, let node): node.level
    }
  }

  /// The columns that deciding at `level` reads.
  func needs(upTo level: Level) -> ContentNeeds {
    switch self {
    case .all, .none, .indexes, .flags, .keyword, .recent, .modSeq: []
    case .internalDay, .savedDay, .receivedUntil, .receivedFrom, .larger, .smaller: level >= .columns ? .dates : []
    case .emailID, .threadID: level >= .columns ? .identifiers : []
    case .sentDay: level >= .columns ? .sortKeys : []
    case .header(let header):
      if header.isCommon { level >= .columns ? .headers : [] } else { level >= .message ? .message : [] }
    case .text(let needle), .body(let needle): level >= .message && !needle.isEmpty ? .message : []
    case .and(let nodes), .or(let nodes): nodes.reduce(into: []) { $0.formUnion($1.needs(upTo: level)) }
    case .not(let node), .narrowed(_, let node): node.needs(upTo: level)
    }
  }

  /// The same criterion, with constants folded and what is cheap to decide put first.
  func simplified() -> SearchNode {
    switch self {
    case .and(let nodes):
      var kept: [SearchNode] = []
      for node in nodes.map({ $0.simplified() }) {
        switch node {
        case .all: continue
        case .none: return .none
        case .and(let inner): kept += inner
        default: kept.append(node)
        }
      }
      return kept.isEmpty ? .all : kept.count == 1 ? kept[0] : .and(kept.sorted { $0.cost < $1.cost })
    case .or(let nodes):
      var kept: [SearchNode] = []
      for node in nodes.map({ $0.simplified() }) {
        switch node {
        case .none: continue
        case .all: return .all
        case .or(let inner): kept += inner
        default: kept.append(node)
        }
      }
      return kept.isEmpty ? .none : kept.count == 1 ? kept[0] : .or(kept.sorted { $0.cost < $1.cost })
    case .not(let node):
      switch node.simplified() {
      case .all: return .none
      case .none: return .all
      case .not(let inner): return inner
      case let inner: return .not(inner)
      }
    case .body(let needle), .text(let needle): return needle.isEmpty ? .all : self
    default: return self
    }
  }

  /// Criteria in it: what deciding one message costs at most.
  var size: Int {
    switch self {
    case .and(let nodes), .or(let nodes): nodes.reduce(1) { $0 + $1.size }
    case .not(let node): 1 + node.size
    case .recent(let ranges): 1 + ranges.count
    default: 1
    }
  }

  /// Criteria for which the message is read and decoded, each time anew.
  var texts: Int {
    switch self {
    case .and(let nodes), .or(let nodes): nodes.reduce(0) { $0 + $1.texts }
    case .not(let node), .narrowed(_, let node): node.texts
    case .header(let header): header.isCommon ? 0 : 1
    case .body, .text: 1
    default: 0
    }
  }

  private var cost: Int {
    switch self {
    case .all, .none, .flags, .keyword, .modSeq: 0
    case .recent, .indexes: 1
    case .internalDay, .sentDay, .savedDay, .receivedUntil, .receivedFrom, .larger, .smaller, .emailID, .threadID: 2
    case .header(let header): header.isCommon ? 3 : 4
    case .body, .text: 5
    case .and(let nodes), .or(let nodes): nodes.map(\.cost).max() ?? 0
    case .not(let node), .narrowed(_, let node): node.cost
    }
  }
}

/// Kleene's third value: this level cannot tell.
enum Verdict: Sendable {
  case yes, no, unknown
  init(_ value: Bool) { self = value ? .yes : .no }
  var negated: Verdict {
    switch self {
    case .yes: .no
    case .no: .yes
    case .unknown: .unknown
    }
  }
}

extension SearchNode {
  /// What the snapshot alone says of a message.
  func verdict(_ index: Int, _ entry: MessageEntry) -> Verdict {
    switch self {
    case .all: .yes
    case .none: .no
    case .indexes(let indexes): Verdict(indexes.contains(index))
    case .flags(let flags): Verdict(entry.flags.isSuperset(of: flags))
    case .keyword(let bit): Verdict(entry.keywords & bit != 0)
    case .recent(let ranges): Verdict(ranges.contains { $0.contains(entry.uid) })
    case .modSeq(let modSeq): Verdict(entry.modSeq >= modSeq)
    case .internalDay, .sentDay, .savedDay, .receivedUntil, .receivedFrom, .larger, .smaller, .emailID, .threadID,
      .header, .body, .text:
      .unknown
    case .narrowed(let known, _): known.verdict(index)
    case .and(let nodes):
      Self.all(nodes) { $0.verdict(index, entry) }
    case .or(let nodes):
      Self.all(nodes) { $0.verdict(index, entry).negated }.negated
    case .not(let node): node.verdict(index, entry).negated
    }
  }

  /// No as soon as one says no; yes when all say yes.
  @inline(__always)
  static func all<Failure: Error>(
    _ nodes: [SearchNode], _ verdict: (SearchNode) throws(Failure) -> Verdict
  ) throws(Failure) -> Verdict {
    var result = Verdict.yes
    for node in nodes {
      switch try verdict(node) {
      case .no: return .no
      case .unknown: result = .unknown
      case .yes: continue
      }
    }
    return result
  }
}
