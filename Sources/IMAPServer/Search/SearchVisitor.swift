import Bytes
import MailFormat
import MailStore
import NIOCore
import SearchText

/// Decides a search on the store's visitor thread.
///
/// `@unchecked Sendable`: one visit calls it row after row, and the session looks at it again only when the visit has
/// returned; it is never in two places at once.
final class SearchVisitor: @unchecked Sendable {
  private let node: SearchNode
  private let told: MailboxSnapshot
  private let level: SearchNode.Level
  private let wholeMessageLimit: Int
  /// Octets of messages after which a visit ends, so that no read transaction lasts long and others get their turn.
  private static let octetsPerVisit = 2 << 20

  private(set) var found = IndexRanges()
  /// To be decided on the next level.
  private(set) var undecided = IndexRanges()
  /// Too large to be held.
  private(set) var large: [Int] = []
  private(set) var visited = 0
  private(set) var firstError: StoreError?
  private var octets = 0
  /// Each of them reads the message once.
  private let texts: Int

  init(_ node: SearchNode, _ told: MailboxSnapshot, _ level: SearchNode.Level, wholeMessageLimit: Int) {
    self.node = node
    self.told = told
    self.level = level
    self.wholeMessageLimit = wholeMessageLimit
    texts = max(node.texts, 1)
  }

  func visit(_ row: any MessageRow) -> VisitControl {
    visited += 1
    guard let index = told.index(of: row.uid) else { return .next }
    if level == .message, row.size > wholeMessageLimit {
      large.append(index)
      return .next
    }
    do throws(StoreError) {
      switch try verdict(node, index, told[index], row) {
      case .yes: found.append(index)
      case .unknown: undecided.append(index)
      case .no: break
      }
    } catch {
      if firstError == nil { firstError = error }
    }
    if level == .message { octets += row.size * texts }
    return octets >= Self.octetsPerVisit ? .stop : .next
  }

  private func verdict(
    _ node: SearchNode, _ index: Int, _ entry: MessageEntry, _ row: any MessageRow
  ) throws(StoreError) -> Verdict {
    switch node {
    case .and(let nodes):
      return try SearchNode.all(nodes) { (node) throws(StoreError) in try verdict(node, index, entry, row) }
    case .or(let nodes):
      return try SearchNode.all(nodes) { (node) throws(StoreError) in
        try verdict(node, index, entry, row).negated
      }.negated
    case .not(let node): return try verdict(node, index, entry, row).negated
    case .narrowed(let known, let node):
      let early = known.verdict(index)
      return early == .unknown ? try verdict(node, index, entry, row) : early
    case .internalDay(let test, let day): return Verdict(test.holds(row.internalDate.day, day))
    case .sentDay(let test, let day):
      guard let sent = row.sortKeys.sentDay else { return .no }
      return Verdict(test.holds(sent, day))
    case .receivedUntil(let seconds): return Verdict(row.internalDate.seconds <= seconds)
    case .receivedFrom(let seconds): return Verdict(row.internalDate.seconds >= seconds)
    case .savedDay(let test, let day): return Verdict(test.holds(InternalDate(seconds: row.saveDate).day, day))
    case .emailID(let id): return Verdict(row.emailID == id)
    case .threadID(let id): return Verdict(row.threadID == id)
    case .larger(let size): return Verdict(row.size > size)
    case .smaller(let size): return Verdict(row.size < size)
    case .header(let header) where header.isCommon:
      let trace = row.trace
      if header.isFound(in: trace.readableBytesSpan, 0..<trace.readableBytes) { return .yes }
      let early = row.withCommonHeaders { lines -> Verdict in
        if header.isFound(in: lines, 0..<lines.byteCount) { return .yes }
        return CommonHeaders.areWhole(lines) ? .no : .unknown
      }
      return early == .unknown && level == .message ? try read(node, row) : early
    case .header, .body, .text: return level == .message ? try read(node, row) : .unknown
    default: return node.verdict(index, entry)
    }
  }

  private func read(_ node: SearchNode, _ row: any MessageRow) throws(StoreError) -> Verdict {
    let message = try row.index()
    let trace = row.trace
    return try row.withMessage { (bytes) throws(StoreError) in Verdict(node.matches(message, bytes, trace)) }
  }
}

extension InternalDate {
  /// The day it was, where it was written.
  var day: Int32 {
    let local = seconds + Int64(zoneMinutes) * 60
    return Int32(clamping: local >= 0 ? local / 86_400 : (local - 86_399) / 86_400)
  }
}

extension SearchNode {
  /// What a message says of a criterion that needs the message itself.
  func matches(_ index: MessageIndex, _ bytes: RawSpan, _ trace: ByteBuffer) -> Bool {
    switch self {
    case .header(let header):
      header.isFound(in: trace.readableBytesSpan, 0..<trace.readableBytes)
        || header.isFound(in: bytes, index.root.headerRange)
    case .body(let needle): MessageText.hasText(needle, index.root, bytes, withHeaders: false)
    case .text(let needle):
      MessageText.hasFields(needle, trace.readableBytesSpan, 0..<trace.readableBytes)
        || MessageText.hasText(needle, index.root, bytes, withHeaders: true)
    default: false
    }
  }
}

extension SearchNode.HeaderNeedle {
  func isFound(in bytes: RawSpan, _ range: Range<Int>) -> Bool {
    MessageText.hasHeader(name, needle, in: bytes, range)
  }
}
