import Bytes
import MailFormat
import MailStore
import NIOCore
import POP3Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The answers to a run of RETR and TOP, written on the store's thread straight into one outgoing buffer.
final class Burst: Sendable {
  struct Sent: Sendable {
    var index: Int
    var isTop: Bool
    var isSurrogate: Bool
    /// Octets of the answer.
    var length = 0
  }

  struct Result: Sendable {
    var buffer = ByteBuffer()
    /// Items answered.
    var done = 0
    var sent: [Sent] = []
    var problems: [StoreError] = []
  }

  private let items: [POP3Session.Item]
  private let fallback: UTF8Fallback
  private let language: POP3Language
  private let result: Mutex<Result>

  /// - buffer: empty; its storage is used.
  init(
    _ items: [POP3Session.Item], fallback: UTF8Fallback, language: POP3Language, into buffer: ByteBuffer = ByteBuffer()
  ) {
    self.items = items
    self.fallback = fallback
    self.language = language
    var result = Result(buffer: buffer)
    let wanted = items.reduce(0) { $0 + $1.size + $1.before.readableBytes + 64 }
    result.buffer.reserveCapacity(min(wanted, POP3Sizes.burst + POP3Sizes.heldMessage / 2))
    self.result = Mutex(result)
  }

  /// One row of the visit. Rows come in the order of the items; an item without a row has lost its bytes.
  func add(_ index: Int, _ row: any MessageRow) -> VisitControl {
    result.withLock { result in
      while result.done < items.count, items[result.done].index < index {
        refuseMissing(&result)
      }
      guard result.done < items.count else { return .stop }
      let item = items[result.done]
      if item.size > POP3Sizes.heldMessage, result.done > 0 { return .stopBefore }
      do throws(StoreError) {
        try write(item, row, to: &result)
      } catch {
        refuse(error, in: &result)
      }
      return result.buffer.readableBytes >= POP3Sizes.burst ? .stop : .next
    }
  }

  /// The visit has come to its end: `done` items are behind it.
  func visited(_ done: Int) {
    result.withLock { result in
      while result.done < done {
        refuseMissing(&result)
      }
    }
  }

  /// The visit failed: every item left hears of it.
  func failed() {
    result.withLock { result in
      while result.done < items.count {
        result.buffer.writeImmutableBuffer(items[result.done].before)
        POP3Response.error(.temporaryFailure, code: .sysTemp, language, into: &result.buffer)
        result.done += 1
      }
    }
  }

  func take() -> Result {
    result.withLock { result in
      defer { result = Result() }
      return result
    }
  }

  private func write(_ item: POP3Session.Item, _ row: any MessageRow, to result: inout Result) throws(StoreError) {
    var isSurrogate = false
    result.buffer.writeImmutableBuffer(item.before)
    let start = result.buffer.writerIndex
    let answered = try row.withMessage { (message: RawSpan) throws(StoreError) -> Bool in
      var writer = MessageWriter(lines: item.lines)
      guard fallback != .asIs, let headerLength = Self.utf8HeaderLength(message) else {
        writeStatus(item, octets: item.size, &result)
        row.withTrace { writer.write($0, to: &result.buffer) }
        writer.write(message, to: &result.buffer)
        writer.finish(to: &result.buffer)
        return true
      }
      guard fallback == .surrogate else {
        POP3Response.error(.needsUTF8, code: .utf8, language, into: &result.buffer)
        return false
      }
      isSurrogate = true
      let header = UTF8Surrogate.header(for: message.extracting(0..<headerLength))
      let octets = row.withTrace { $0.byteCount } + header.readableBytes + message.byteCount - headerLength
      writeStatus(item, octets: octets, &result)
      row.withTrace { writer.write($0, to: &result.buffer) }
      writer.write(header.readableBytesSpan, to: &result.buffer)
      writer.write(message.extracting(headerLength..<message.byteCount), to: &result.buffer)
      writer.finish(to: &result.buffer)
      return true
    }
    if answered {
      let length = result.buffer.writerIndex - start
      result.sent.append(
        Sent(index: item.index, isTop: item.lines != nil, isSurrogate: isSurrogate, length: length))
    }
    result.done += 1
  }

  private func writeStatus(_ item: POP3Session.Item, octets: Int, _ result: inout Result) {
    let text: POP3Text = item.lines == nil ? .messageFollows(octets: Int64(octets)) : .topFollows
    POP3Response.ok(text, language, into: &result.buffer)
  }

  /// Octets of a header that needs UTF8 mode, its empty line included; nil for one that does not.
  private static func utf8HeaderLength(_ message: RawSpan) -> Int? {
    let (length, isASCII) = message.withUnsafeBytes { bytes in
      let length = headerLength(bytes)
      return (length, UTF8Surrogate.isASCII(UnsafeRawBufferPointer(rebasing: bytes[..<length])))
    }
    return isASCII || !UTF8Surrogate.isNeeded(message.extracting(0..<length)) ? nil : length
  }

  /// Octets up to the empty line, and with it.
  private static func headerLength(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard let base = bytes.baseAddress else { return 0 }
    var line = 0
    while line < bytes.count, let found = memchr(base + line, CInt(UInt8.lf), bytes.count - line) {
      let end = UnsafeRawPointer(found) - base
      if end == line || (end == line + 1 && bytes[line] == .cr) { return end + 1 }
      line = end + 1
    }
    return bytes.count
  }

  private func refuseMissing(_ result: inout Result) {
    let item = items[result.done]
    result.buffer.writeImmutableBuffer(item.before)
    refuse(.corrupt(what: "message \(item.index) of a maildrop is gone"), in: &result)
  }

  private func refuse(_ error: StoreError, in result: inout Result) {
    result.problems.append(error)
    POP3Response.error(Self.text(for: error), code: Self.code(for: error), language, into: &result.buffer)
    result.done += 1
  }

  static func code(for error: StoreError) -> POP3ResponseCode {
    switch error {
    case .corrupt, .expunged: .sysPerm
    default: .sysTemp
    }
  }

  static func text(for error: StoreError) -> POP3Text {
    code(for: error) == .sysPerm ? .permanentFailure : .temporaryFailure
  }
}
