import Bytes
import NIOCore

#if canImport(Glibc)
  import CLibc
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How lines that look like From lines are told apart from them.
public enum MboxQuoting: Sendable, Hashable {
  /// Lines stand as they are (`Content-Length` tells where messages end).
  case none
  /// `From ` was written as `>From `, and `>From ` as it is.
  case mboxo
  /// One `>` was put before `From `, `>From `, `>>From `…
  case mboxrd
}

/// The line that begins a message: `From sender date`.
struct FromLine: Sendable, Hashable {
  /// Ends the From line of a message whose last line has no line end: mbox could not tell otherwise. Other readers look
  /// no further than the year.
  static let unterminated = "no-newline-at-end"

  var sender: String
  /// Seconds since 1970; nil if there is no date in it.
  var date: Int64?
  var isUnterminated: Bool

  /// `line` without its line end.
  init?(_ line: String) {
    guard line.utf8.starts(with: "From ".utf8) else { return nil }
    let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\r" }).dropFirst()
    if let date = AsctimeDate.read(words.dropFirst()) {
      self.date = date
      sender = words.first.map(String.init) ?? ""
    } else {
      date = AsctimeDate.read(words)
      sender = date == nil ? words.first.map(String.init) ?? "" : ""
    }
    isUnterminated = words.last.map { $0 == Self.unterminated } ?? false
  }

  static func write(sender: String, date: Int64, isUnterminated: Bool) -> String {
    var name = ""
    for scalar in sender.unicodeScalars.prefix(512) {
      name.unicodeScalars.append(scalar.value > 0x20 && scalar.value != 0x7F ? scalar : "_")
    }
    if name.isEmpty { name = "MAILER-DAEMON" }
    return "From \(name) \(AsctimeDate.write(date))\(isUnterminated ? " " + unterminated : "")\n"
  }
}

/// Puts `>` before lines that look like From lines, or takes it away, over pieces cut anywhere.
struct FromLineCoder: Sendable {
  enum Mode: Sendable { case quote, unquote(MboxQuoting) }

  private static let word = Array("From ".utf8)
  private let mode: Mode
  /// Nothing but `>` and a part of `From ` has been seen of this line.
  private var isBeginning = true
  private var quotes = 0
  private var matched = 0
  /// The last `>`, which goes if `From ` follows.
  private var holdsQuote = false

  init(_ mode: Mode) { self.mode = mode }

  mutating func code(_ input: UnsafeRawBufferPointer, into output: inout ByteBuffer) {
    if case .unquote(.none) = mode {
      output.writeBytes(input)
      return
    }
    var index = 0
    while index < input.count {
      guard isBeginning else {
        guard let lineFeed = input.firstIndex(of: .lf, from: index) else {
          output.writeBytes(UnsafeRawBufferPointer(rebasing: input[index...]))
          return
        }
        output.writeBytes(UnsafeRawBufferPointer(rebasing: input[index...lineFeed]))
        index = lineFeed + 1
        (isBeginning, quotes, matched) = (true, 0, 0)
        continue
      }
      let byte = input[index]
      if matched == 0, byte == UInt8(ascii: ">") {
        quote(&output)
        index += 1
      } else if byte == Self.word[matched] {
        matched += 1
        index += 1
        if matched == Self.word.count { decide(isFromLine: true, &output) }
      } else {
        decide(isFromLine: false, &output)
      }
    }
  }

  mutating func finish(into output: inout ByteBuffer) {
    if isBeginning { decide(isFromLine: false, &output) }
  }

  private mutating func quote(_ output: inout ByteBuffer) {
    quotes += 1
    if case .quote = mode {
      output.writeInteger(UInt8(ascii: ">"))
    } else {
      if holdsQuote { output.writeInteger(UInt8(ascii: ">")) }
      holdsQuote = true
    }
  }

  private mutating func decide(isFromLine: Bool, _ output: inout ByteBuffer) {
    switch mode {
    case .quote: if isFromLine { output.writeInteger(UInt8(ascii: ">")) }
    case .unquote(let quoting):
      let goes = isFromLine && (quoting == .mboxrd || quotes == 1)
      if holdsQuote, !goes { output.writeInteger(UInt8(ascii: ">")) }
    }
    output.writeBytes(Self.word[..<matched])
    holdsQuote = false
    isBeginning = false
  }
}

/// First place of `needle` at or after `start`.
func find(_ needle: StaticString, in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
  guard start < bytes.count, let base = bytes.baseAddress,
    let hit = memmem(
      base + start, numericCast(bytes.count - start), needle.utf8Start, numericCast(needle.utf8CodeUnitCount))
  else { return nil }
  return UnsafeRawPointer(hit) - base
}
