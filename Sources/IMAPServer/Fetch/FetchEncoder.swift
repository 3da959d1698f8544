import Bytes
import IMAPCore
import MailFormat
import MailStore
import NIOCore

/// Encodes FETCH responses on the store's visitor thread, straight into a buffer.
///
/// `@unchecked Sendable`, `@exclusivity(unchecked)`: the session makes one for each visit, the visit calls it row after row,
/// and the session looks at it again only when the visit has returned; it is never in two places at once, and no call comes
/// in while another is at work.
final class FetchEncoder: @unchecked Sendable {
  let plan: FetchPlan
  private let shown: ShownFlags
  private let quick: FetchPlan.Quick?
  /// The sections' names as the response gives them, a space behind each.
  private let names: [ByteBuffer]
  private let chunk: Int
  let wholeMessageLimit: Int

  @exclusivity(unchecked) var out: ByteBuffer
  @exclusivity(unchecked) private(set) var visited = 0
  @exclusivity(unchecked) private var cursor: SnapshotCursor
  @exclusivity(unchecked) private var tracePicks = HeaderFieldPicks()
  @exclusivity(unchecked) private var picks = HeaderFieldPicks()
  /// A message that has to be streamed comes next: everything but its sections is in `head`.
  private(set) var large: LargeMessage?
  private(set) var firstError: StoreError?
  private(set) var hasUnknownEncoding = false

  struct LargeMessage {
    var uid: UID
    /// `* n FETCH (` and the items that need no message, without the closing parenthesis.
    var head: ByteBuffer
    var headHasItems: Bool
    /// The same without what is made of headers, if a surrogate may have to be shown.
    var bare: (head: ByteBuffer, hasItems: Bool)?
  }

  init(_ plan: FetchPlan, _ shown: ShownFlags, chunk: Int, wholeMessageLimit: Int, out: ByteBuffer) {
    self.plan = plan
    self.shown = shown
    self.chunk = chunk
    self.wholeMessageLimit = wholeMessageLimit
    self.out = out
    quick = plan.quick
    cursor = SnapshotCursor(shown.told)
    names = plan.sections.map { section in
      var name = ByteBuffer()
      name.writeFetchItem(section.item, isResponse: true)
      name.writeSpace()
      return name
    }
  }

  /// One row of the visit.
  func visit(_ row: any MessageRow) -> VisitControl {
    if plan.opensMessage, out.readableBytes > 0, out.readableBytes + row.size > chunk { return .stopBefore }
    visited += 1
    guard let (index, entry) = cursor.find(row.uid) else { return .next }
    let showsSurrogate = plan.surrogates && mayNeedSurrogate(row)
    let streams = plan.streams(messageOf: Int64(row.size), wholeMessageLimit: wholeMessageLimit)
    if showsSurrogate || streams || lacksLines(row) {
      var head = ByteBuffer()
      let line = writeItems(row, index, entry, into: &head)
      large = LargeMessage(uid: row.uid, head: head, headHasItems: line.hasItems)
      if showsSurrogate {
        var bare = ByteBuffer()
        let line = writeItems(row, index, entry, withHeaders: false, into: &bare)
        large?.bare = (bare, line.hasItems)
      }
      return .stop
    }
    // Held here while it is written to.
    var buffer = ByteBuffer()
    swap(&buffer, &out)
    let start = buffer.writerIndex
    do throws(StoreError) {
      var line = writeItems(row, index, entry, into: &buffer)
      switch quick {
      case .wholeMessage: try writeMessage(row, &line, into: &buffer)
      case .commonFields(let names): writeCommonFields(names, row, &line, into: &buffer)
      case nil: try writeSections(row, &line, into: &buffer)
      }
      line.end(into: &buffer)
    } catch {
      // One damaged message does not keep the others from being read.
      buffer.moveWriterIndex(to: start)
      if firstError == nil { firstError = error }
    }
    let isFull = buffer.readableBytes >= chunk
    swap(&buffer, &out)
    return isFull ? .stop : .next
  }

  /// The header has more lines than are kept beside the message, so that it is read itself, in pieces.
  private func lacksLines(_ row: any MessageRow) -> Bool {
    plan.readsKeptLines && !row.withCommonHeaders { CommonHeaders.areWhole($0) }
  }

  /// `* n FETCH (` and all items but the sections.
  private func writeItems(
    _ row: any MessageRow, _ index: Int, _ entry: MessageEntry, withHeaders: Bool = true, into buffer: inout ByteBuffer
  ) -> FetchLine {
    var next = 0
    var hasItems = false
    let room = RawWriter.fetchHeadRoom + (entry.keywords == 0 ? 0 : shown.keywordRoom)
    buffer.writeRaw(room: room) { writer in
      if shown.enabled.isUIDOnly { writer.startUIDFetch(entry.uid) } else { writer.startFetch(index + 1) }
      let isNews = shown.isNewlySeen(entry)
      func begin(_ writer: inout RawWriter) {
        if hasItems { writer.write(UInt8.space) }
        hasItems = true
      }
      if plan.wantsUID || isNews && shown.newsHasUID {
        begin(&writer)
        writer.write("UID ")
        writer.writeDecimal(UInt64(entry.uid))
      }
      if plan.wantsModSeq || isNews && shown.enabled.tellsModSeqs {
        begin(&writer)
        writer.writeModSeq(entry.modSeq)
      }
      if plan.wantsFlags || isNews {
        begin(&writer)
        writer.writeFlagList(shown.flags(of: entry), keywords: entry.keywords, names: shown.told.keywords)
      }
      while next < plan.items.count {
        switch plan.items[next] {
        case .internalDate:
          begin(&writer)
          let date = row.internalDate
          writer.write("INTERNALDATE ")
          writer.writeDateTime(IMAPDateTime(seconds: date.seconds, zoneMinutes: date.zoneMinutes))
        case .size:
          begin(&writer)
          writer.write("RFC822.SIZE ")
          writer.writeDecimal(UInt64(max(row.size, 0)))
        case .saveDate:
          begin(&writer)
          writer.write("SAVEDATE ")
          writer.writeDateTime(IMAPDateTime(seconds: row.saveDate))
        case .envelope, .body, .bodyStructure, .preview, .emailID, .threadID: return
        }
        next += 1
      }
    }
    var line = FetchLine(continuing: hasItems)
    for item in plan.items[next...] {
      switch item {
      case .envelope where !withHeaders, .body where !withHeaders, .bodyStructure where !withHeaders: continue
      case .internalDate:
        let date = row.internalDate
        line.writeInternalDate(IMAPDateTime(seconds: date.seconds, zoneMinutes: date.zoneMinutes), into: &buffer)
      case .size: line.writeSize(row.size, into: &buffer)
      case .saveDate:
        line.writeName("SAVEDATE", into: &buffer)
        buffer.writeDateTime(IMAPDateTime(seconds: row.saveDate))
      case .emailID: line.writeObjectID("EMAILID (", row.emailID, into: &buffer)
      case .threadID: line.writeObjectID("THREADID (", row.threadID, into: &buffer)
      case .envelope:
        line.writeName("ENVELOPE", into: &buffer)
        row.appendEnvelope(to: &buffer)
      case .body:
        line.writeName("BODY", into: &buffer)
        row.appendBody(to: &buffer)
      case .bodyStructure:
        line.writeName("BODYSTRUCTURE", into: &buffer)
        row.appendBodyStructure(to: &buffer)
      case .preview:
        line.writeName("PREVIEW", into: &buffer)
        buffer.writeIMAPString(row.preview, plan.wire)
      }
    }
    return line
  }

  private func writeName(ofSection number: Int, _ line: inout FetchLine, into buffer: inout ByteBuffer) {
    line.startItem(into: &buffer)
    buffer.writeImmutableBuffer(names[number])
  }

  private func writeMessage(
    _ row: any MessageRow, _ line: inout FetchLine, into buffer: inout ByteBuffer
  ) throws(StoreError) {
    writeName(ofSection: 0, &line, into: &buffer)
    row.withTrace { trace in
      buffer.writeLiteralHeader(size: trace.byteCount + row.messageSize)
      buffer.writeSpan(trace)
    }
    try row.appendMessage(to: &buffer)
  }

  private func writeCommonFields(
    _ names: HeaderFieldNames, _ row: any MessageRow, _ line: inout FetchLine, into buffer: inout ByteBuffer
  ) {
    writeName(ofSection: 0, &line, into: &buffer)
    row.withTrace { trace in
      tracePicks.pick(names, of: trace)
      row.withCommonHeaders { lines in
        picks.pick(names, of: lines)
        buffer.writeLiteralHeader(size: tracePicks.size + picks.size)
        tracePicks.write(of: trace, into: &buffer)
        picks.write(of: lines, into: &buffer)
      }
    }
  }

  private func writeSections(
    _ row: any MessageRow, _ line: inout FetchLine, into out: inout ByteBuffer
  ) throws(StoreError) {
    guard !plan.sections.isEmpty else { return }
    guard plan.opensMessage else {
      for (number, section) in plan.sections.enumerated() {
        writeName(ofSection: number, &line, into: &out)
        writeCommonHeaders(section, row, into: &out)
      }
      return
    }
    let index = try row.index()
    let trace = row.trace
    try row.withMessage { (message) throws(StoreError) in
      let source = MessageBytes(trace: trace, message: message)
      for (number, section) in plan.sections.enumerated() {
        writeName(ofSection: number, &line, into: &out)
        write(section, source, index, into: &out)
      }
    }
  }

  private func writeCommonHeaders(
    _ section: FetchPlan.Section, _ row: any MessageRow, into out: inout ByteBuffer
  ) {
    guard case .fields(_, let names, let not) = section.kind else { return }
    var bytes = ByteBuffer()
    let trace = row.trace
    HeaderFields.write(
      fields: names, not: not, of: trace.readableBytesSpan, header: 0..<trace.readableBytes, into: &bytes)
    row.withCommonHeaders { lines in
      HeaderFields.write(fields: names, not: not, of: lines, header: 0..<lines.byteCount, into: &bytes)
    }
    write(bytes, section.partial, into: &out)
  }

  private func write(
    _ section: FetchPlan.Section, _ source: borrowing MessageBytes, _ index: MessageIndex, into out: inout ByteBuffer
  ) {
    switch section.kind {
    case .stored(let path):
      guard let place = index.place(of: path, trace: source.traceLength) else {
        out.writeStaticString("NIL")
        return
      }
      let part = section.partial.map { $0.range(in: place.count) } ?? 0..<place.count
      out.writeLiteralHeader(size: part.count)
      source.write(place.lowerBound + part.lowerBound..<place.lowerBound + part.upperBound, into: &out)
    case .fields(let path, let names, let not):
      guard let place = index.place(of: path, trace: source.traceLength) else {
        out.writeStaticString("NIL")
        return
      }
      var bytes = ByteBuffer()
      source.writeFields(names, not: not, header: place, into: &bytes)
      write(bytes, section.partial, into: &out)
    case .binary(let path):
      var bytes = ByteBuffer()
      switch source.decode(path, index, into: &bytes) {
      case .done(let hasNUL):
        let part = section.partial.map { $0.range(in: bytes.readableBytes) } ?? 0..<bytes.readableBytes
        if hasNUL { out.writeLiteral8Header(size: part.count) } else { out.writeLiteralHeader(size: part.count) }
        out.writeSpan(bytes.readableBytesSpan.extracting(part))
      case .unknown:
        hasUnknownEncoding = true
        out.writeStaticString("NIL")
      case .absent: out.writeStaticString("NIL")
      }
    case .binarySize(let path):
      var bytes = ByteBuffer()
      if case .unknown = source.decode(path, index, into: &bytes) { hasUnknownEncoding = true }
      out.writeDecimal(bytes.readableBytes)
    }
  }

  private func write(_ bytes: ByteBuffer, _ partial: Partial?, into out: inout ByteBuffer) {
    let part = partial.map { $0.range(in: bytes.readableBytes) } ?? 0..<bytes.readableBytes
    out.writeLiteralHeader(size: part.count)
    out.writeSpan(bytes.readableBytesSpan.extracting(part))
  }
}

/// How this session shows the flags of its messages.
struct ShownFlags: Sendable {
  let told: MailboxSnapshot
  let recent: [MailboxView.Recent]
  /// The lowest MODSEQ of the `\Seen` that this FETCH has just set; 0: none.
  let newlySeen: ModSeq
  let enabled: EnabledExtensions
  /// Octets that all keywords take in a list of flags.
  let keywordRoom: Int

  init(
    told: MailboxSnapshot, recent: [MailboxView.Recent], newlySeen: ModSeq, _ enabled: EnabledExtensions = []
  ) {
    self.told = told
    self.recent = recent
    self.newlySeen = newlySeen
    self.enabled = enabled
    keywordRoom = RawWriter.keywordRoom(told.keywords)
  }

  /// RFC 9051 §6.4.5: flags changed by the FETCH itself should be in its responses.
  func isNewlySeen(_ entry: MessageEntry) -> Bool { newlySeen != 0 && entry.modSeq >= newlySeen }

  /// RFC 7162 §3.2.4: the response of a FETCH that sets `\Seen` has UID and MODSEQ, asked for or not.
  var newsHasUID: Bool { enabled.tellsModSeqs && !enabled.isUIDOnly }

  func flags(of entry: MessageEntry) -> FlagSet {
    var flags = FlagSet(rawValue: entry.flags.rawValue)
    if !recent.isEmpty, recent.contains(where: { $0.contains(entry.uid) }) { flags.insert(.recent) }
    return flags
  }

  func write(_ entry: MessageEntry, _ line: inout FetchLine, into buffer: inout ByteBuffer) {
    line.writeFlags(flags(of: entry), keywords: entry.keywords, names: told.keywords, into: &buffer)
  }
}

/// A message in memory, its trace lines in front.
struct MessageBytes: ~Escapable, ~Copyable {
  let trace: ByteBuffer
  let message: RawSpan
  var traceLength: Int { trace.readableBytes }

  @_lifetime(copy message)
  init(trace: ByteBuffer, message: RawSpan) {
    self.trace = trace
    self.message = message
  }

  /// Octets by their place in trace and message together.
  func write(_ range: Range<Int>, into buffer: inout ByteBuffer) {
    let seam = traceLength
    let end = seam + message.byteCount
    let range = min(range.lowerBound, end)..<min(range.upperBound, end)
    if range.lowerBound < seam {
      buffer.writeSpan(trace.readableBytesSpan.extracting(range.lowerBound..<min(seam, range.upperBound)))
    }
    if range.upperBound > seam {
      buffer.writeSpan(message.extracting(max(range.lowerBound, seam) - seam..<range.upperBound - seam))
    }
  }

  func writeFields(_ names: HeaderFieldNames, not: Bool, header: Range<Int>, into buffer: inout ByteBuffer) {
    let seam = traceLength
    if header.lowerBound < seam {
      HeaderFields.write(fields: names, not: not, of: trace.readableBytesSpan, header: 0..<seam, into: &buffer)
    }
    let rest = max(header.lowerBound, seam) - seam..<max(header.upperBound, seam) - seam
    HeaderFields.write(fields: names, not: not, of: message, header: rest, into: &buffer)
  }

  enum Decoded {
    case done(hasNUL: Bool)
    case absent
    case unknown
  }

  /// A part with its transfer encoding undone. An empty path is the whole message, as it stands.
  func decode(_ path: [Int], _ index: MessageIndex, into buffer: inout ByteBuffer) -> Decoded {
    if path.isEmpty {
      write(0..<traceLength + message.byteCount, into: &buffer)
      return .done(hasNUL: false)
    }
    guard let part = index.binaryPart(path) else { return .absent }
    guard var decoder = TransferDecoder(part) else { return .unknown }
    decoder.decode(message.extracting(part.bodyRange.clamped(to: 0..<message.byteCount)), into: &buffer)
    decoder.finish(into: &buffer)
    return .done(hasNUL: decoder.hasNUL)
  }
}
