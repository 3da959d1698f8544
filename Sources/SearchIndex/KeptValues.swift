import Bytes
import CLibc
import SearchText

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The values of one header field of all messages of a segment, folded, in one run of octets: what has to be looked through
/// for SEARCH SUBJECT is a few kilobytes rather than every message's header.
///
/// No folded text holds the octets from 0xFD on: they part values and messages.
enum KeptValues {
  /// Behind a message's last value.
  private static let end: UInt8 = 0xFF
  /// Between two values of a message.
  private static let between: UInt8 = 0xFE
  /// Instead of values of which some is not kept: what is found there has to be looked up in the message.
  private static let inexact: UInt8 = 0xFD

  /// Adds a message's values.
  static func append(
    _ output: inout [UInt8], _ forEachValue: ((RawSpan) -> Bool) -> Void
  ) {
    let start = output.count
    var isExact = true
    forEachValue { value in
      if output.count - start + value.byteCount > SearchIndexLimits.fieldOctets {
        isExact = false
        return false
      }
      if output.count > start { output.append(between) }
      let first = output.count
      TextFolding.fold(value, into: &output)
      for offset in first..<output.count where output[offset] >= inexact {
        // Not UTF-8 at all, which decoding does not leave over.
        output[offset] = 0x3F
        isExact = false
      }
      return true
    }
    if !isExact {
      output.removeSubrange(start...)
      output.append(inexact)
    }
    output.append(end)
  }

  static func appendUnknown(_ output: inout [UInt8]) {
    output.append(inexact)
    output.append(end)
  }

  /// Calls `found` with the places of messages that have the needle in a value, and `unknown` with those that cannot be told.
  static func search(
    _ needle: [UInt8], _ values: UnsafeRawBufferPointer, count: Int, found: (Int) -> Void, unknown: (Int) -> Void
  ) throws(IndexError) {
    guard let base = values.baseAddress, !needle.isEmpty else { throw .damaged("no values") }
    var place = 0
    var offset = 0
    var nextInexact = find([inexact], in: values, from: 0)
    var next = find(needle, in: values, from: 0)
    while nextInexact != nil || next != nil {
      let isInexact = nextInexact.map { marked in next.map { marked < $0 } ?? true } ?? false
      guard let target = isInexact ? nextInexact : next else { break }
      // Messages that end before it.
      while let hit = memchr(base + offset, Int32(end), target - offset) {
        offset = UnsafeRawPointer(hit) - base + 1
        place += 1
      }
      guard place < count else { throw .damaged("more values than messages") }
      if isInexact { unknown(place) } else { found(place) }
      guard let hit = memchr(base + target, Int32(end), values.count - target) else {
        throw .damaged("values without an end")
      }
      offset = UnsafeRawPointer(hit) - base + 1
      place += 1
      if let known = nextInexact, known < offset { nextInexact = find([inexact], in: values, from: offset) }
      if let known = next, known < offset { next = find(needle, in: values, from: offset) }
    }
  }

  /// Calls with the octets of each message in turn, its end counted.
  static func forEach(
    _ values: UnsafeRawBufferPointer, _ body: (Int, UnsafeRawBufferPointer) -> Void
  ) throws(IndexError) {
    var place = 0
    var offset = 0
    while offset < values.count, let base = values.baseAddress {
      guard let hit = memchr(base + offset, Int32(end), values.count - offset) else {
        throw .damaged("values without an end")
      }
      let next = UnsafeRawPointer(hit) - base + 1
      body(place, UnsafeRawBufferPointer(rebasing: values[offset..<next]))
      offset = next
      place += 1
    }
  }

  private static func find(_ needle: [UInt8], in values: UnsafeRawBufferPointer, from start: Int) -> Int? {
    guard let base = values.baseAddress, start < values.count else { return nil }
    return needle.withUnsafeBytes { needle in
      guard let wanted = needle.baseAddress,
        let hit = memmem(base + start, UInt(values.count - start), wanted, UInt(needle.count))
      else { return nil }
      return UnsafeRawPointer(hit) - base
    }
  }
}
