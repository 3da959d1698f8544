import Bytes
import MailFormat
import MailStore
import NIOCore

/// Decides a search on the store's visitor thread.
///
/// `@unchecked Sendable`: one visit calls it row after row, and the session looks at it again only when the visit has
/// returned; it is never in two places at once.
final class SearchVisitor: @unchecked Sendable {
  private let node: SearchNode
  private let told: MailboxSnapshot
  private let level: SearchNode.Level
  private let wholeMessageLimit: Int
  /// Octets of messages after which a visit ends, so that no read transaction lasts long.
  private static let octetsPerVisit = 8 << 20

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
    case .internalDay(let test, let day): return Verdict(test.holds(row.internalDate.day, day))
    case .sentDay(let test, let day):
      guard let sent = row.sortKeys.sentDay else { return .no }
      return Verdict(test.holds(sent, day))
    case .larger(let size): return Verdict(row.size > size)
    case .smaller(let size): return Verdict(row.size < size)
    case .header(let header) where header.isCommon:
      let trace = row.trace
      if MessageText.hasHeader(header, in: trace.readableBytesSpan, 0..<trace.readableBytes) { return .yes }
      return Verdict(row.withCommonHeaders { MessageText.hasHeader(header, in: $0, 0..<$0.byteCount) })
    case .header, .body, .text:
      guard level == .message else { return .unknown }
      let message = try row.index()
      let trace = row.trace
      return try row.withMessage { (bytes) throws(StoreError) in
        Verdict(MessageText.matches(node, message, bytes, trace))
      }
    default: return node.verdict(index, entry)
    }
  }
}

extension InternalDate {
  /// The day it was, where it was written.
  var day: Int32 {
    let local = seconds + Int64(zoneMinutes) * 60
    return Int32(clamping: local >= 0 ? local / 86_400 : (local - 86_399) / 86_400)
  }
}

/// Looks for texts in messages, transfer encodings, charsets and encoded words undone (RFC 9051 §6.4.4).
enum MessageText {
  /// A header field of that name holds the text.
  static func hasHeader(_ header: SearchNode.HeaderNeedle, in bytes: RawSpan, _ range: Range<Int>) -> Bool {
    var found = false
    HeaderFields.forEach(bytes, in: range) { name, value, _ in
      guard isEqual(bytes, name, header.name) else { return true }
      if header.needle.isEmpty || isPlain(bytes, value) {
        found = header.needle.isFound(in: bytes.extracting(value.clamped(to: 0..<bytes.byteCount)))
      } else {
        found = header.needle.isFound(in: HeaderFields.decodedValue(bytes, value))
      }
      return !found
    }
    return found
  }

  /// One line of ASCII without encoded words: it reads as it stands.
  private static func isPlain(_ bytes: RawSpan, _ value: Range<Int>) -> Bool {
    for offset in value.clamped(to: 0..<bytes.byteCount) {
      let byte = bytes.byte(at: offset)
      if byte >= 0x80 || byte == .cr || byte == .lf || byte == UInt8(ascii: "=") { return false }
    }
    return true
  }

  /// A criterion that needs the message itself.
  static func matches(_ node: SearchNode, _ index: MessageIndex, _ bytes: RawSpan, _ trace: ByteBuffer) -> Bool {
    switch node {
    case .header(let header):
      hasHeader(header, in: trace.readableBytesSpan, 0..<trace.readableBytes)
        || hasHeader(header, in: bytes, index.root.headerRange)
    case .body(let needle): hasText(needle, index.root, bytes, withHeaders: false)
    case .text(let needle):
      hasFields(needle, trace.readableBytesSpan, 0..<trace.readableBytes)
        || hasText(needle, index.root, bytes, withHeaders: true)
    default: false
    }
  }

  /// The part, or one within it, holds the text. Parts that are neither text nor message are passed over.
  private static func hasText(_ needle: TextNeedle, _ part: Part, _ bytes: RawSpan, withHeaders: Bool) -> Bool {
    if withHeaders, hasFields(needle, bytes, part.headerRange) { return true }
    if part.isMultipart || part.isMessage {
      return part.children.contains { hasText(needle, $0, bytes, withHeaders: withHeaders) }
    }
    guard part.isText || part.type == "message" else { return false }
    return needle.isFound(in: TextDecoding.decodedText(of: part, in: bytes).readableBytesSpan)
  }

  /// Some field holds the text: its name, or what stands behind it.
  static func hasFields(_ needle: TextNeedle, _ bytes: RawSpan, _ header: Range<Int>) -> Bool {
    var found = false
    HeaderFields.forEach(bytes, in: header) { name, value, whole in
      found = needle.isFound(in: bytes.extracting(whole.clamped(to: 0..<bytes.byteCount)))
      if !found {
        // As it reads: unfolded and decoded.
        let field = String(decoding: HeaderFields.unfolded(bytes, name), as: UTF8.self)
        found = needle.isFound(in: field + ": " + HeaderFields.decodedValue(bytes, value))
      }
      return !found
    }
    return found
  }

  private static func isEqual(_ bytes: RawSpan, _ range: Range<Int>, _ lowercased: [UInt8]) -> Bool {
    guard range.count == lowercased.count else { return false }
    for offset in 0..<lowercased.count
    where bytes.byte(at: range.lowerBound + offset).asciiLowercased != lowercased[offset] {
      return false
    }
    return true
  }
}
