import Bytes

/// The text of one part in UTF-8, made piece by piece. However its octets are cut, the pieces joined are what
/// `TextDecoding.decodedText` gives for the whole; every piece ends between characters.
public struct PartTextStream: ~Copyable {
  /// Which of the two texts is the right one. Without a character set that is known, text is UTF-8 when all of it can
  /// be, else windows-1252; so both are made until the first wrong byte, or the end, decides.
  public enum Reading: Sendable {
    /// The first text is right.
    case settled
    /// The first is right if nothing wrong comes any more, the other if something does.
    case open
    /// The other text is right; the first ends.
    case other
  }

  public private(set) var reading = Reading.settled
  private enum Conversion { case utf8, guess, windows1252, iconv }

  private let conversion: Conversion
  private var converter: CharsetStream?
  private var transfer: TransferStream
  /// Transfer-decoded octets that are not converted yet.
  private var pending: [UInt8] = []

  /// - asciiOnly: only ASCII characters matter to the caller. They stand alike in both readings, so one is enough.
  public init(_ part: Part, asciiOnly: Bool = false) {
    transfer = TransferStream(part.encoding)
    switch part.charset.map(Charset.init) ?? .guess {
    case .utf8: conversion = .utf8
    case .windows1252: conversion = .windows1252
    case .iconv(let name):
      converter = CharsetStream(name)
      conversion = converter != nil ? .iconv : asciiOnly ? .windows1252 : .guess
    case .guess, .invalid: conversion = asciiOnly ? .windows1252 : .guess
    }
    if conversion == .guess { reading = .open }
  }

  /// Reads the next octets of the part's body.
  /// - isLast: nothing comes behind them.
  /// - text, other: the new characters of each reading are appended; which to believe is in `reading`.
  public mutating func decode(_ bytes: RawSpan, isLast: Bool, into text: inout [UInt8], other: inout [UInt8]) {
    var pending: [UInt8] = []
    swap(&pending, &self.pending)
    transfer.decode(bytes, isLast: isLast, into: &pending)
    var used = pending.count
    switch conversion {
    case .windows1252: UTF8Repair.appendWindows1252(pending.span.bytes, to: &text)
    case .utf8:
      used = isLast ? used : Self.boundary(pending)
      UTF8Repair.append(pending.span.bytes.extracting(0..<used), to: &text)
    case .guess:
      used = isLast ? used : Self.boundary(pending)
      let whole = pending.span.bytes.extracting(0..<used)
      UTF8Repair.appendWindows1252(whole, to: &other)
      if reading == .open {
        if UTF8Repair.isValid(whole) { UTF8Repair.append(whole, to: &text) } else { reading = .other }
      }
      if isLast, reading == .open { reading = .settled }
    case .iconv: used = converter?.convert(pending.span.bytes, isLast: isLast, into: &text) ?? used
    }
    pending.removeFirst(used)
    swap(&pending, &self.pending)
  }

  /// The last place at which no UTF-8 sequence is cut. A byte of 0xC0 or more always begins something; only the last
  /// such byte can begin a sequence that goes on beyond the end.
  private static func boundary(_ bytes: [UInt8]) -> Int {
    for offset in stride(from: bytes.count - 1, through: max(0, bytes.count - 3), by: -1) where bytes[offset] >= 0xC0 {
      let length = bytes[offset] < 0xE0 ? 2 : bytes[offset] < 0xF0 ? 3 : 4
      return offset + length > bytes.count ? offset : bytes.count
    }
    return bytes.count
  }
}
