import MailStore
import SearchText

/// What is known beforehand of one text criterion, by index in the snapshot.
final class KnownVerdicts: Sendable {
  private let yes: [UInt64]
  private let no: [UInt64]

  init(_ narrowed: Narrowed, _ told: MailboxSnapshot) {
    yes = Self.bits(narrowed.yes, told)
    no = Self.bits(narrowed.no, told)
  }

  private static func bits(_ ranges: [ClosedRange<UID>], _ told: MailboxSnapshot) -> [UInt64] {
    var bits = [UInt64](repeating: 0, count: (told.count + 63) / 64)
    for range in ranges {
      let start = told.lowerBound(range.lowerBound)
      let end = range.upperBound == .max ? told.count : told.lowerBound(range.upperBound + 1)
      var index = start
      while index < end {
        if index & 63 == 0, index + 64 <= end {
          bits[index >> 6] = .max
          index += 64
        } else {
          bits[index >> 6] |= 1 << UInt64(index & 63)
          index += 1
        }
      }
    }
    return bits
  }

  func verdict(_ index: Int) -> Verdict {
    let bit: UInt64 = 1 << UInt64(index & 63)
    if no[index >> 6] & bit != 0 { return .no }
    return yes[index >> 6] & bit != 0 ? .yes : .unknown
  }
}

/// The search index says of many messages that a text is not in them, and of some that it is. The criterion then is decided
/// for these as early as flags are, wherever it stands between AND, OR and NOT; for all others by the message, as ever.
extension SearchNode {
  /// Texts in it that an index may know of.
  var terms: [SearchTerm] {
    switch self {
    case .and(let nodes), .or(let nodes): nodes.flatMap(\.terms)
    case .not(let node): node.terms
    default: term.map { [$0] } ?? []
    }
  }

  private var term: SearchTerm? {
    switch self {
    case .header(let header):
      SearchTerm(KeptField(name: header.name).map { .field($0) } ?? .header, header.needle)
    case .body(let needle): SearchTerm(.body, needle)
    case .text(let needle): SearchTerm(.anywhere, needle)
    default: nil
    }
  }

  /// The same criterion with what is known of its texts.
  func narrowed(_ known: [SearchTerm: KnownVerdicts]) -> SearchNode {
    switch self {
    case .and(let nodes): .and(nodes.map { $0.narrowed(known) })
    case .or(let nodes): .or(nodes.map { $0.narrowed(known) })
    case .not(let node): .not(node.narrowed(known))
    default: term.flatMap { known[$0] }.map { .narrowed($0, self) } ?? self
    }
  }
}

extension IMAPSession {
  /// Undecided messages from which on the index is asked: of a few their texts tell sooner.
  private static let worthNarrowing = 4

  /// Asks the store's index about the texts of a search. Nil: it knows nothing of use.
  func narrowed(
    _ node: SearchNode, _ told: MailboxSnapshot, _ ref: MailboxRef, undecided: IndexRanges
  ) async throws(CommandError) -> SearchNode? {
    guard undecided.count >= Self.worthNarrowing else { return nil }
    let terms = Array(Set(node.terms))
    guard !terms.isEmpty else { return nil }
    let answers = try await storeCall { store throws(StoreError) in try await store.narrow(terms, in: ref) }
    var known: [SearchTerm: KnownVerdicts] = [:]
    for (term, answer) in zip(terms, answers) {
      if let answer { known[term] = KnownVerdicts(answer, told) }
    }
    return known.isEmpty ? nil : node.narrowed(known)
  }
}
