import Bytes

/// Builds the tree of parts in one pass. Each byte is looked at a bounded number of times: a line that begins with `--`
/// is compared with the boundaries in force, of which there are at most `limits.depth`.
///
/// `position` never goes back, and `lines` is always the number of line feeds before it.
struct PartParser {
  /// Where scanning ended: at a boundary line, or (boundary nil) at the end of the message.
  private struct Stop {
    /// Index into `boundaries`.
    var boundary: Int
    var isClosing: Bool
  }

  private let limits: MIMELimits
  /// To be called after each `MIMELimits.stepBytes`, and where the next of these steps is; `.max`: nobody wants it.
  private let step: (() -> Void)?
  private var nextStep: Int
  /// Bytes of all content fields noted.
  private var contentBytes = 0
  /// Boundaries of the multiparts that are open, outermost first, each with its leading `--`.
  private var boundaries: [[UInt8]] = []
  private var position = 0
  private var lines = 0
  private var partCount = 0
  private var stop: Stop?
  /// End of the body scanned last, and the line feeds before it.
  private var end = 0
  private var endLines = 0

  init(limits: MIMELimits, step: (() -> Void)? = nil) {
    self.limits = limits
    self.step = step
    nextStep = step == nil ? .max : MIMELimits.stepBytes
  }

  /// The first line feed from `position` on.
  @inline(__always)
  private mutating func nextLineFeed(_ bytes: RawSpan) -> Int? {
    if position < nextStep,
      let found = bytes.firstIndex(of: .lf, from: position, to: min(nextStep, bytes.byteCount))
    {
      return found
    }
    return farLineFeed(bytes)
  }

  /// The same across steps: a line may be as long as the message.
  private mutating func farLineFeed(_ bytes: RawSpan) -> Int? {
    let count = bytes.byteCount
    var start = max(position, min(nextStep, count))
    while start < count {
      takeStep(start)
      let end = min(nextStep, count)
      if let found = bytes.firstIndex(of: .lf, from: start, to: end) { return found }
      start = end
    }
    return nil
  }

  /// Counts the line feeds of all that is left.
  private mutating func countLines(_ bytes: RawSpan) {
    let count = bytes.byteCount
    while position < count {
      takeStep(position)
      let end = min(nextStep, count)
      lines += bytes.lineFeeds(from: position, to: end)
      position = end
    }
  }

  private mutating func takeStep(_ place: Int) {
    guard place >= nextStep else { return }
    step?()
    nextStep = place + MIMELimits.stepBytes
  }

  /// One entity (RFC 2045 §2.4): a header and its body.
  mutating func entity(_ bytes: RawSpan, depth: Int, insideDigest: Bool) -> Part {
    partCount += 1
    stop = nil
    var part = Part(headerStart: position)
    if insideDigest {
      // RFC 2046 §5.1.5: in a multipart/digest the default is message/rfc822.
      part.type = "message"
      part.subtype = "rfc822"
    }
    let headerStopped = header(bytes, &part)
    let boundary = part.readContentFields(bytes)
    part.headerRange = part.headerStart..<position
    let bodyStart = position
    let linesBefore = lines
    if headerStopped {
      position = bodyStart
      end = bodyStart
      endLines = lines
    }
    let isContainer = part.type == "multipart" || part.isMessageType
    if isContainer, depth >= limits.depth || partCount >= limits.parts {
      part.isOpaque = true
      if !headerStopped { scanBody(bytes, from: bodyStart) }
    } else if part.type == "multipart" {
      if !headerStopped { multipart(bytes, &part, boundary: boundary, depth: depth) }
      // A multipart has at least one part (RFC 9051 §9, body-type-mpart); a broken one gets an empty text part.
      if part.children.isEmpty { part.children.append(Part(headerStart: end)) }
    } else if part.isMessageType {
      part.children.append(
        headerStopped ? Part(headerStart: bodyStart) : entity(bytes, depth: depth + 1, insideDigest: false))
    } else if !headerStopped {
      scanBody(bytes, from: bodyStart)
    }
    part.bodyRange = bodyStart..<max(bodyStart, end)
    part.lineCount = max(0, endLines - linesBefore)
    if headerStopped { takeBoundaryLine(bytes) }
    return part
  }

  private mutating func multipart(_ bytes: RawSpan, _ part: inout Part, boundary: [UInt8]?, depth: Int) {
    let bodyStart = position
    guard let boundary else { return scanBody(bytes, from: bodyStart) }
    let own = boundaries.count
    boundaries.append(boundary)
    scanBody(bytes, from: bodyStart)
    let insideDigest = part.subtype == "digest"
    while let reached = stop, reached.boundary == own {
      // RFC 2046 §5.1.1: a boundary line has a line end; one at the very end begins no part.
      if reached.isClosing || (position == bytes.byteCount && bytes.at(position - 1) != .lf) {
        boundaries.removeLast()
        return scanBody(bytes, from: bodyStart)  // the epilogue
      }
      part.children.append(entity(bytes, depth: depth + 1, insideDigest: insideDigest))
    }
    boundaries.removeLast()
  }

  /// Reads the header up to the empty line, noting the content fields. True when a boundary line ended it; `position`
  /// then stays before that line.
  private mutating func header(_ bytes: RawSpan, _ part: inout Part) -> Bool {
    let count = bytes.byteCount
    while position < count {
      let first = bytes.at(position)
      if first == .lf || (first == .cr && bytes.peek(position + 1) == .lf) {
        position += first == .lf ? 1 : 2
        lines += 1
        return false
      }
      if first == 0x2D, let reached = boundary(bytes, at: position) {
        stop = reached
        return true
      }
      let start = position
      repeat {
        guard let lineFeed = nextLineFeed(bytes) else {
          position = count
          break
        }
        position = lineFeed + 1
        lines += 1
      } while position < count && bytes.at(position).isBlank
      if first | 0x20 == 0x63, start - part.headerStart < limits.headerBytes {
        let field = start..<min(position, part.headerStart + limits.headerBytes)
        if contentBytes + field.count <= MIMELimits.contentFieldBytes, part.noteContentField(bytes, field) {
          contentBytes += field.count
        }
      }
    }
    return false
  }

  /// Scans lines up to a boundary line or the end. Sets `end`, `endLines` and `stop`, and steps over the boundary line.
  private mutating func scanBody(_ bytes: RawSpan, from bodyStart: Int) {
    let count = bytes.byteCount
    stop = nil
    if boundaries.isEmpty { countLines(bytes) }
    while position < count {
      if bytes.at(position) == 0x2D, let reached = boundary(bytes, at: position) {
        stop = reached
        end = position
        endLines = lines
        // RFC 2046 §5.1.1: the line end before the boundary belongs to the boundary.
        if end > bodyStart, bytes.at(end - 1) == .lf {
          end -= 1
          endLines -= 1
          if end > bodyStart, bytes.at(end - 1) == .cr { end -= 1 }
        }
        return takeBoundaryLine(bytes)
      }
      guard let lineFeed = nextLineFeed(bytes) else {
        position = count
        break
      }
      position = lineFeed + 1
      lines += 1
    }
    end = count
    endLines = lines
  }

  private mutating func takeBoundaryLine(_ bytes: RawSpan) {
    if let lineFeed = nextLineFeed(bytes) {
      position = lineFeed + 1
      lines += 1
    } else {
      position = bytes.byteCount
    }
  }

  /// The open boundary that the line at `start` begins with. RFC 2046 §5.1.1: it suffices that the line begins with it,
  /// so of several that match the longest is meant, and of equal ones the innermost.
  private func boundary(_ bytes: RawSpan, at start: Int) -> Stop? {
    guard bytes.peek(start + 1) == 0x2D else { return nil }
    var best: Int?
    var length = -1
    for index in boundaries.indices.reversed() {
      let candidate = boundaries[index].count
      if candidate > length, bytes.hasBytes(boundaries[index], at: start) {
        best = index
        length = candidate
      }
    }
    guard let best else { return nil }
    let isClosing = bytes.peek(start + length) == 0x2D && bytes.peek(start + length + 1) == 0x2D
    if !isClosing, partCount >= limits.parts { return nil }
    return Stop(boundary: best, isClosing: isClosing)
  }
}

extension Part {
  /// message/rfc822 or message/global: a message to look into.
  var isMessageType: Bool { type == "message" && (subtype == "rfc822" || subtype == "global") }

  /// Notes the field at `field` when it is a content field, and says whether. The first of several counts.
  mutating func noteContentField(_ bytes: RawSpan, _ field: Range<Int>) -> Bool {
    guard bytes.hasWord("content-", at: field.lowerBound),
      let colon = bytes.firstIndex(
        of: 0x3A, from: field.lowerBound, to: min(field.upperBound, field.lowerBound + 64))
    else { return false }
    var nameEnd = colon
    while nameEnd > field.lowerBound, bytes.at(nameEnd - 1).isBlank { nameEnd -= 1 }
    guard let kind = ContentField(bytes, name: field.lowerBound + 8..<nameEnd), fields[kind] == nil else {
      return false
    }
    var lower = colon + 1
    var upper = field.upperBound
    if upper > lower, bytes.at(upper - 1) == .lf { upper -= 1 }
    if upper > lower, bytes.at(upper - 1) == .cr { upper -= 1 }
    while lower < upper, bytes.at(lower).isWhitespace { lower += 1 }
    fields[kind] = lower - headerStart..<upper - headerStart
    return true
  }

  /// Type, charset and encoding from the fields noted; returns the boundary of a multipart, with `--` before it.
  mutating func readContentFields(_ bytes: RawSpan) -> [UInt8]? {
    if let range = range(of: .transferEncoding) {
      encoding = TransferEncoding(bytes, range)
    }
    guard let range = range(of: .type) else { return nil }
    guard let value = MediaType(bytes, range) else {
      // RFC 2045 §5.2: a Content-Type that cannot be read counts as text/plain in US-ASCII.
      type = "text"
      subtype = "plain"
      return nil
    }
    type = bytes.lowercased(value.type)
    subtype = bytes.lowercased(value.subtype)
    switch type {
    case "multipart":
      guard var boundary = MIMEParameter.value(of: "boundary", bytes, value.parameters) else { return nil }
      boundary.removeAll { $0 == .cr || $0 == .lf }
      return [0x2D, 0x2D] + boundary
    case "text":
      charset = MIMEParameter.value(of: "charset", bytes, value.parameters).map {
        String(decoding: $0.lazy.map(\.asciiLowercased), as: UTF8.self)
      }
    default: break
    }
    return nil
  }
}

extension ContentField {
  /// `name` is what follows `Content-`.
  init?(_ bytes: RawSpan, name: Range<Int>) {
    switch name.count {
    case 2 where bytes.hasWord("id", at: name.lowerBound): self = .id
    case 3 where bytes.hasWord("md5", at: name.lowerBound): self = .md5
    case 4 where bytes.hasWord("type", at: name.lowerBound): self = .type
    case 8 where bytes.hasWord("language", at: name.lowerBound): self = .language
    case 8 where bytes.hasWord("location", at: name.lowerBound): self = .location
    case 11 where bytes.hasWord("description", at: name.lowerBound): self = .description
    case 11 where bytes.hasWord("disposition", at: name.lowerBound): self = .disposition
    case 17 where bytes.hasWord("transfer-encoding", at: name.lowerBound): self = .transferEncoding
    default: return nil
    }
  }
}
