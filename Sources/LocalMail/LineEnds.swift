import Bytes

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

extension UInt8 {
  static let slash = UInt8(ascii: "/")
  static let dot = UInt8(ascii: ".")
  static let comma = UInt8(ascii: ",")
  static let colon = UInt8(ascii: ":")

  var isDigit: Bool { self >= 0x30 && self <= 0x39 }
}

extension UnsafeRawBufferPointer {
  /// First place of `byte` at or after `start`.
  @inline(__always)
  func firstIndex(of byte: UInt8, from start: Int) -> Int? {
    guard start < count, let base = baseAddress, let hit = memchr(base + start, Int32(byte), count - start) else {
      return nil
    }
    return UnsafeRawPointer(hit) - base
  }
}

/// Turns CRLF into LF while copying, over pieces cut anywhere.
///
/// With `keepsDoubled` the line end of a line that itself ends in CR stays CRLF: `x CR CR LF` is kept as it is. Thus what
/// comes out still has the same `Fingerprint`, and becomes the same bytes again when LF is turned into CRLF.
struct LineFolder: Sendable {
  let keepsDoubled: Bool
  /// A CR at the end of the last piece waits for the next octet.
  private(set) var holdsCR = false
  /// The octet before the one that waits is CR.
  private(set) var isDoubled = false
  /// LF so far; those of them without a CR before them; CRLF that were kept.
  private(set) var lineFeeds: Int64 = 0
  private(set) var bareLineFeeds: Int64 = 0
  private(set) var keptLineEnds: Int64 = 0

  init(keepsDoubled: Bool) { self.keepsDoubled = keepsDoubled }

  /// Goes on where another left off.
  init(keepsDoubled: Bool, holdsCR: Bool, isDoubled: Bool, lineFeeds: Int64 = 0, keptLineEnds: Int64 = 0) {
    self.keepsDoubled = keepsDoubled
    self.holdsCR = holdsCR
    self.isDoubled = isDoubled
    self.lineFeeds = lineFeeds
    self.keptLineEnds = keptLineEnds
  }

  /// Returns the octets written. `output` has room for one octet more than `input`.
  mutating func fold(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int {
    precondition(output.count > input.count)
    guard let source = input.baseAddress, let target = output.baseAddress, !input.isEmpty else { return 0 }
    var written = 0
    var start = 0
    var scan = 0
    let heldCR = holdsCR
    if heldCR {
      if input[0] != .lf || keepsDoubled && isDoubled {
        target.storeBytes(of: .cr, as: UInt8.self)
        written = 1
      }
      if input[0] == .lf {
        lineFeeds += 1
        if written == 1 { keptLineEnds += 1 }
        scan = 1
      }
    }
    while let lineFeed = input.firstIndex(of: .lf, from: scan) {
      lineFeeds += 1
      scan = lineFeed + 1
      guard lineFeed > 0, input[lineFeed - 1] == .cr else {
        bareLineFeeds += 1
        continue
      }
      if keepsDoubled, lineFeed > 1 ? input[lineFeed - 2] == .cr : heldCR {
        keptLineEnds += 1
        continue
      }
      let length = lineFeed - 1 - start
      memcpy(target + written, source + start, length)
      written += length
      start = lineFeed
    }
    var end = input.count
    holdsCR = input[end - 1] == .cr
    if holdsCR {
      isDoubled = end > 1 ? input[end - 2] == .cr : heldCR
      end -= 1
    }
    memcpy(target + written, source + start, end - start)
    return written + end - start
  }

  /// What still waited: true if it was a CR.
  mutating func finish() -> Bool {
    defer { holdsCR = false }
    return holdsCR
  }
}

/// Turns LF into CRLF where no CR stands before it, over pieces cut anywhere.
struct LineUnfolder: Sendable {
  private var endsInCR = false

  /// Returns the octets written. `output` has room for twice as many as `input`.
  mutating func unfold(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Int {
    precondition(output.count >= 2 * input.count)
    guard let source = input.baseAddress, let target = output.baseAddress, !input.isEmpty else { return 0 }
    var written = 0
    var start = 0
    var scan = 0
    while let lineFeed = input.firstIndex(of: .lf, from: scan) {
      scan = lineFeed + 1
      if lineFeed > 0 ? input[lineFeed - 1] == .cr : endsInCR { continue }
      memcpy(target + written, source + start, lineFeed - start)
      written += lineFeed - start
      target.storeBytes(of: .cr, toByteOffset: written, as: UInt8.self)
      written += 1
      start = lineFeed
    }
    memcpy(target + written, source + start, input.count - start)
    endsInCR = input[input.count - 1] == .cr
    return written + input.count - start
  }

  /// Octets that `input` grows by.
  mutating func growth(_ input: UnsafeRawBufferPointer) -> Int {
    guard !input.isEmpty else { return 0 }
    var growth = 0
    var scan = 0
    while let lineFeed = input.firstIndex(of: .lf, from: scan) {
      scan = lineFeed + 1
      if lineFeed > 0 ? input[lineFeed - 1] != .cr : !endsInCR { growth += 1 }
    }
    endsInCR = input[input.count - 1] == .cr
    return growth
  }
}
