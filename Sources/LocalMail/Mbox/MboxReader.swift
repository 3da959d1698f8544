import Bytes
public import NIOCore
import Synchronization

/// One message of an mbox file.
public struct MboxEntry: Sendable, Hashable {
  /// Octets from the beginning of the file to the From line.
  public var offset: Int64
  /// Octets from there to the next From line or the end of the file.
  public var length: Int64
  /// The message itself, as it stands in the file, quoted and without the status lines that were asked to be left out.
  public var messageOffset: Int64
  public var messageLength: Int64
  /// Of the From line.
  public var sender: String
  /// Of the From line, taken as UTC unless it names a zone: seconds since 1970.
  public var date: Int64?
  public var status: MboxStatus
}

public struct MboxReadSettings: Sendable, Hashable {
  public var quoting = MboxQuoting.mboxrd
  /// Takes away the lines that `MboxWriter` puts before a message when it `writesStatus`.
  public var stripsStatus = false
  /// False for files that surely quote their From lines, such as those of `MboxWriter`: there the sender of a message
  /// has no say in where it ends.
  public var usesContentLength = true
  public init() {}
}

/// Reads an mbox file from the beginning to the end, in bounded memory. Blocks; takes no lock. One task at a time.
///
/// A message begins with a line `From sender date` behind an empty line, and ends before the empty line before the next
/// one. `Content-Length` counts where it leads exactly to a From line or the end of the file.
public final class MboxReader: Sendable {
  public let path: String
  private let settings: MboxReadSettings
  private let file: any LocalFile
  /// When it was opened: what others append later is left for the next time.
  private let size: Int64
  private let position = Mutex<Int64>(0)

  public init(
    path: String, settings: MboxReadSettings = MboxReadSettings(), disk: any LocalDisk = PosixDisk()
  ) throws(LocalMailError) {
    self.path = path
    self.settings = settings
    file = try disk.open(path, .read)
    size = try file.status().size
  }

  deinit { file.close() }

  /// The next message; nil at the end. Throws `.malformed` if the file does not begin with a From line.
  public func next() throws(LocalMailError) -> MboxEntry? {
    var start = position.withLock { $0 }
    if start == 0 { start = try emptyLines() }
    guard start < size else { return nil }
    guard let (line, lineLength) = try fromLine(at: start) else {
      throw LocalMailError(.malformed("has no From line at octet \(start); this is no mbox file"), path: path)
    }
    let first = start + Int64(lineLength)
    let header = try header(at: first)
    let (end, next) =
      if let found = try byLength(header, first) { found } else { try bySearch(from: first) }
    var length = max(end - first, 0)
    if line.isUnterminated, length > 0 { length -= 1 }
    let block = min(Int64(header.blockLength), length)
    position.withLock { $0 = next }
    return MboxEntry(
      offset: start, length: next - start, messageOffset: first + block, messageLength: length - block,
      sender: line.sender, date: line.date, status: header.status)
  }

  /// The message's own bytes, unquoted, in pieces.
  public func forEachPiece(
    of entry: MboxEntry, _ body: (ByteBuffer) throws(LocalMailError) -> Void
  ) throws(LocalMailError) {
    var coder = FromLineCoder(.unquote(settings.quoting))
    let end = entry.messageOffset + entry.messageLength
    let count = try file.forEachPiece(from: entry.messageOffset, to: end) { piece throws(LocalMailError) in
      var buffer = ByteBufferAllocator().buffer(capacity: piece.count + 8)
      coder.code(piece, into: &buffer)
      if buffer.readableBytes > 0 { try body(buffer) }
    }
    guard count == entry.messageLength else {
      throw LocalMailError(.malformed("became shorter while it was read; run again"), path: path)
    }
    var rest = ByteBuffer()
    coder.finish(into: &rest)
    if rest.readableBytes > 0 { try body(rest) }
  }

  /// The whole message; for those that are known to be small.
  public func message(of entry: MboxEntry) throws(LocalMailError) -> ByteBuffer {
    var message = ByteBuffer()
    try forEachPiece(of: entry) { piece in message.writeImmutableBuffer(piece) }
    return message
  }

  public func fingerprint(of entry: MboxEntry) throws(LocalMailError) -> Fingerprint {
    var stream = FingerprintStream()
    try forEachPiece(of: entry) { piece in stream.update(piece) }
    return stream.finish()
  }

  // MARK: Where a message ends

  private func read<Value>(
    at offset: Int64, upTo count: Int, _ body: (UnsafeRawBufferPointer) throws(LocalMailError) -> Value
  ) throws(LocalMailError) -> Value {
    let wanted = Int(max(min(Int64(count), size - offset), 0))
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(wanted, 1), alignment: 16)
    defer { buffer.deallocate() }
    let read = try file.pread(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]), at: offset)
    return try body(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
  }

  /// A From line at `offset`, and its octets with the line end.
  private func fromLine(at offset: Int64) throws(LocalMailError) -> (FromLine, Int)? {
    try read(at: offset, upTo: LocalMailLimits.fromLine) { bytes in
      let end = bytes.firstIndex(of: .lf, from: 0)
      // A last line may lack its line end, one that is too long is something else.
      if end == nil, bytes.count == LocalMailLimits.fromLine { return nil }
      let text = String(decoding: UnsafeRawBufferPointer(rebasing: bytes[..<(end ?? bytes.count)]), as: UTF8.self)
      return FromLine(text).map { ($0, end.map { $0 + 1 } ?? bytes.count) }
    }
  }

  /// Octets of empty lines at the beginning of the file.
  private func emptyLines() throws(LocalMailError) -> Int64 {
    Int64(
      try read(at: 0, upTo: LocalMailLimits.fromLine) { bytes in
        bytes.firstIndex { $0 != .lf && $0 != .cr } ?? bytes.count
      })
  }

  /// Most headers are small: what is read grows until the header ends.
  private func header(at first: Int64) throws(LocalMailError) -> MboxHeader {
    var length = LocalMailLimits.mboxWindow
    while true {
      let header = try read(at: first, upTo: length) { bytes in
        MboxHeader(bytes, stripsStatus: settings.stripsStatus)
      }
      if header.length != nil || length >= LocalMailLimits.mboxHeader || first + Int64(length) >= size { return header }
      length = min(length * 4, LocalMailLimits.mboxHeader)
    }
  }

  /// Where the message ends and the next From line begins, by `Content-Length`; nil if it does not lead there.
  private func byLength(_ header: MboxHeader, _ first: Int64) throws(LocalMailError) -> (end: Int64, next: Int64)? {
    guard settings.usesContentLength, let length = header.contentLength, length >= 0, let headerLength = header.length
    else { return nil }
    let (end, overflow) = (first + Int64(headerLength)).addingReportingOverflow(length)
    guard !overflow, end <= size else { return nil }
    let separator = try read(at: end, upTo: 2) { bytes in
      if bytes.first == .lf { return 1 }
      return bytes.count == 2 && bytes[0] == .cr && bytes[1] == .lf ? 2 : 0
    }
    let next = end + Int64(separator)
    if next == size { return (end, next) }
    // Some count the empty line, others do not.
    let isNewLine = if separator > 0 { true } else { try read(at: end - 1, upTo: 1) { $0.first == .lf } }
    guard isNewLine, try isFromLine(next) else { return nil }
    return (end, next)
  }

  private func isFromLine(_ offset: Int64) throws(LocalMailError) -> Bool {
    // Without a date it is a sentence that begins with "From".
    try fromLine(at: offset)?.0.date != nil
  }

  /// Looks for the next From line behind an empty line.
  private func bySearch(from first: Int64) throws(LocalMailError) -> (end: Int64, next: Int64) {
    // From the line feed of the From line on: the empty line may be the first one.
    var window = max(first - 1, 0)
    var wanted = LocalMailLimits.mboxWindow
    while window < size {
      let (candidates, length) = try read(at: window, upTo: wanted) { bytes in
        (Self.candidates(bytes), bytes.count)
      }
      guard length > 0 else { break }
      for candidate in candidates {
        let next = window + Int64(candidate.place)
        if try isFromLine(next) { return (next - Int64(candidate.separator), next) }
      }
      guard window + Int64(length) < size else { break }
      // "\n\r\nFrom " may lie across two windows.
      window += Int64(max(length - 8, 1))
      wanted = min(wanted * 4, LocalMailLimits.piece)
    }
    let separator = try read(at: max(size - 3, first - 1, 0), upTo: 3) { Self.emptyLine(before: $0.count, $0) } ?? 0
    return (max(size - Int64(separator), first), size)
  }

  /// Places of `From ` behind an empty line, and the octets of that line.
  private static func candidates(_ bytes: UnsafeRawBufferPointer) -> [(place: Int, separator: Int)] {
    var result: [(place: Int, separator: Int)] = []
    var start = 0
    while let hit = find("\nFrom ", in: bytes, from: start) {
      if let separator = emptyLine(before: hit + 1, bytes) { result.append((hit + 1, separator)) }
      start = hit + 1
    }
    return result
  }

  /// Octets of the empty line that ends at `end`; nil if the line before is not empty.
  private static func emptyLine(before end: Int, _ bytes: UnsafeRawBufferPointer) -> Int? {
    guard end >= 2, bytes[end - 1] == .lf else { return nil }
    if bytes[end - 2] == .lf { return 1 }
    return end >= 3 && bytes[end - 2] == .cr && bytes[end - 3] == .lf ? 2 : nil
  }
}
