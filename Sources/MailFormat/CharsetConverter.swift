import CLibc
import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// An open iconv descriptor to UTF-8. It closes itself; kept on one thread and never shared.
struct CharsetConverter: ~Copyable {
  private let descriptor: iconv_t

  /// Nil when iconv does not know the name.
  init?(_ name: String) {
    guard let descriptor = iconv_open("UTF-8", name), Int(bitPattern: descriptor) != -1 else { return nil }
    self.descriptor = descriptor
  }

  deinit { iconv_close(descriptor) }

  /// Converts all of `bytes`; what the character set does not know becomes U+FFFD. Appends to `output`.
  func convert(_ bytes: RawSpan, into output: inout [UInt8]) {
    iconv(descriptor, nil, nil, nil, nil)
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_096) { scratch in
      bytes.withUnsafeBytes { raw in
        guard let outputBase = scratch.baseAddress else { return }
        // iconv's interface lacks a const; it only reads its input.
        var input = UnsafeMutablePointer(mutating: raw.bindMemory(to: CChar.self).baseAddress)
        var inputLeft = raw.count
        while true {
          var out: UnsafeMutablePointer<CChar>? = outputBase
          var outLeft = scratch.count
          let isFlushing = inputLeft == 0
          let before = inputLeft
          let failed =
            (isFlushing
              ? iconv(descriptor, nil, nil, &out, &outLeft) : iconv(descriptor, &input, &inputLeft, &out, &outLeft))
            == -1
          let code = failed ? errno : 0
          output.append(contentsOf: UnsafeRawBufferPointer(start: outputBase, count: scratch.count - outLeft))
          if isFlushing { return }
          let stuck = inputLeft == before && outLeft == scratch.count
          if stuck || (failed && code != E2BIG) {
            // A wrong or cut sequence: one replacement, one byte on.
            output.append(contentsOf: [0xEF, 0xBF, 0xBD])
            guard code != EINVAL, inputLeft > 0 else {
              iconv(descriptor, nil, nil, nil, nil)
              return
            }
            input = input?.advanced(by: 1)
            inputLeft -= 1
          }
        }
      }
    }
  }
}

/// Converts pieces of text, keeping the descriptor used last.
struct TextConverter: ~Copyable {
  private var converter: CharsetConverter?
  private var name = ""
  private var opened = 0

  init() {}

  /// Appends `bytes` to `output` as valid UTF-8; false (nothing appended) when the character set is unknown.
  mutating func convert(_ bytes: RawSpan, from charset: Charset, into output: inout [UInt8]) -> Bool {
    switch charset {
    case .utf8: UTF8Repair.append(bytes, to: &output)
    case .guess: UTF8Repair.appendGuessing(bytes, to: &output)
    case .windows1252: UTF8Repair.appendWindows1252(bytes, to: &output)
    case .invalid: return false
    case .iconv(let wanted):
      if name != wanted || opened == 0 {
        guard opened < MIMELimits.converters else { return false }
        opened += 1
        name = wanted
        converter = CharsetConverter(wanted)
      }
      guard converter != nil else { return false }
      converter?.convert(bytes, into: &output)
    }
    return true
  }

  /// As `convert`; with an unknown character set bytes survive as what they most likely are.
  mutating func convertAlways(_ bytes: RawSpan, from charset: Charset, into output: inout [UInt8]) {
    if !convert(bytes, from: charset, into: &output) { UTF8Repair.appendGuessing(bytes, to: &output) }
  }
}
