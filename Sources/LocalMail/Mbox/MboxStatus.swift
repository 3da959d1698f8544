import Bytes

/// What mail programs keep about a message in its own header: `Status:`, `X-Status:`, `X-Keywords:`, `X-UID:`, `X-UIDL:`,
/// and `X-IMAP:` or `X-IMAPbase:` in the first message of a file.
public struct MboxStatus: Sendable, Hashable {
  public var flags = MaildirFlags()
  /// Some program has shown the message to its user as there (`O`), though perhaps not read.
  public var isOld = false
  public var uid: UInt32?
  public var uidl: String?
  /// UIDVALIDITY and the highest UID given, for the whole file.
  public var uidValidity: UInt32?
  public var lastUID: UInt32?
  public init() {}

  /// `value` without blanks around it.
  mutating func read(field name: Substring, value: Substring) {
    if name.equalsIgnoringASCIICase("Status") {
      if value.utf8.contains(UInt8(ascii: "R")) { flags.seen = true }
      if value.utf8.contains(UInt8(ascii: "O")) { isOld = true }
    } else if name.equalsIgnoringASCIICase("X-Status") {
      if value.utf8.contains(UInt8(ascii: "A")) { flags.replied = true }
      if value.utf8.contains(UInt8(ascii: "F")) { flags.flagged = true }
      if value.utf8.contains(UInt8(ascii: "T")) { flags.draft = true }
      if value.utf8.contains(UInt8(ascii: "D")) { flags.trashed = true }
    } else if name.equalsIgnoringASCIICase("X-Keywords") {
      for word in value.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\t" }) {
        let keyword = String(word)
        guard flags.keywords.count < LocalMailLimits.keywords, !flags.keywords.contains(keyword) else { continue }
        if keyword.equalsIgnoringASCIICase("$Forwarded") { flags.passed = true } else { flags.keywords.append(keyword) }
      }
    } else if name.equalsIgnoringASCIICase("X-UID") {
      uid = UInt32(value)
    } else if name.equalsIgnoringASCIICase("X-UIDL") {
      // Some programs put it in quotes of their own.
      if !value.isEmpty { uidl = String(value) }
    } else if name.equalsIgnoringASCIICase("X-IMAPbase") || name.equalsIgnoringASCIICase("X-IMAP") {
      let words = value.split(separator: " ")
      if words.count >= 2 {
        uidValidity = UInt32(words[0])
        lastUID = UInt32(words[1])
      }
    }
  }

  /// The lines `MboxWriter` puts before a message: the first is `Status:`, the last `X-Status:`, so that `MboxReader` can
  /// take away just these.
  var block: String {
    var text = "Status: \(flags.seen ? "R" : "")\(isOld ? "O" : flags.seen ? "" : "N")\n"
    if let uid { text += "X-UID: \(uid)\n" }
    if let uidl, Self.isWord(uidl) { text += "X-UIDL: \(uidl)\n" }
    let keywords = flags.keywords.filter(Self.isWord) + (flags.passed ? ["$Forwarded"] : [])
    if !keywords.isEmpty { text += "X-Keywords: \(keywords.joined(separator: " "))\n" }
    text += "X-Status: \(flags.replied ? "A" : "")\(flags.trashed ? "D" : "")\(flags.flagged ? "F" : "")"
    return text + "\(flags.draft ? "T" : "")\n"
  }

  private static func isWord(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != .comma }
  }
}

/// The beginning of an mbox message, as far as it matters here.
struct MboxHeader: Sendable {
  var status = MboxStatus()
  var contentLength: Int64?
  /// Octets from the first of the message to the first of the body; nil if no empty line ends the header.
  var length: Int?
  /// Octets of the block of status lines at the beginning; 0 without one.
  var blockLength = 0

  /// - Parameter bytes: the message from its first octet, as far as `LocalMailLimits.mboxHeader`.
  init(_ bytes: UnsafeRawBufferPointer, stripsStatus: Bool) {
    if stripsStatus { blockLength = Self.block(bytes, &status) }
    var start = blockLength
    while let (line, next) = Self.line(bytes, start) {
      start = next
      guard !line.isEmpty else {
        length = next
        return
      }
      // Lines that are no fields are passed over: what mail programs wrote comes before or behind them all the same.
      guard let (name, value) = Self.field(line) else { continue }
      if name.equalsIgnoringASCIICase("Content-Length") { contentLength = Int64(value) }
      if blockLength == 0 { status.read(field: name, value: value) }
    }
  }

  private static func block(_ bytes: UnsafeRawBufferPointer, _ status: inout MboxStatus) -> Int {
    var start = 0
    var read = MboxStatus()
    // Five lines at most, see `MboxStatus.block`.
    for number in 0..<5 {
      guard let (line, next) = line(bytes, start), let (name, value) = field(line) else { return 0 }
      guard number > 0 || name == "Status" else { return 0 }
      read.read(field: name, value: value)
      if name == "X-Status" {
        status = read
        return next
      }
      start = next
    }
    return 0
  }

  /// A line without its line end, and where the next one begins; nil if it does not end within `bytes`.
  private static func line(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> (Slice<UnsafeRawBufferPointer>, Int)? {
    guard let lineFeed = bytes.firstIndex(of: .lf, from: start) else { return nil }
    let end = lineFeed > start && bytes[lineFeed - 1] == .cr ? lineFeed - 1 : lineFeed
    return (bytes[start..<end], lineFeed + 1)
  }

  private static func field(_ line: Slice<UnsafeRawBufferPointer>) -> (Substring, Substring)? {
    // Only the few fields that matter are made into text.
    guard let first = line.first,
      first | 0x20 == UInt8(ascii: "s") || first | 0x20 == UInt8(ascii: "x")
        || first | 0x20 == UInt8(ascii: "c"), let colon = line.firstIndex(of: .colon), colon - line.startIndex <= 16
    else { return nil }
    let name = String(decoding: line[..<colon], as: UTF8.self)[...]
    var value = line[(colon + 1)...]
    while let byte = value.first, byte == .space || byte == .tab { value = value.dropFirst() }
    while let byte = value.last, byte == .space || byte == .tab { value = value.dropLast() }
    return (name, String(decoding: value, as: UTF8.self)[...])
  }
}
