import Bytes
import CLibc

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// iconv to UTF-8 over a text that comes in pieces: the descriptor keeps shift states and composing characters between
/// them. What comes out is what `CharsetConverter.convert` makes of the whole.
struct CharsetStream: ~Copyable {
  private let descriptor: iconv_t

  /// Nil when iconv does not know the name.
  init?(_ name: String) {
    guard let descriptor = iconv_open("UTF-8", name), Int(bitPattern: descriptor) != -1 else { return nil }
    self.descriptor = descriptor
  }

  deinit { iconv_close(descriptor) }

  /// Returns how many octets were converted; the others are the beginning of a character and are to be given again,
  /// with what follows them. The last piece is always converted whole.
  mutating func convert(_ bytes: RawSpan, isLast: Bool, into output: inout [UInt8]) -> Int {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 4_096) { scratch in
      bytes.withUnsafeBytes { raw in
        guard let outputBase = scratch.baseAddress else { return raw.count }
        // iconv's interface lacks a const; it only reads its input.
        var input = UnsafeMutablePointer(mutating: raw.bindMemory(to: CChar.self).baseAddress)
        var inputLeft = raw.count
        while true {
          var out: UnsafeMutablePointer<CChar>? = outputBase
          var outLeft = scratch.count
          if inputLeft == 0 {
            // What a character set holds back in case something composes with it comes out at the end only.
            if isLast { iconv(descriptor, nil, nil, &out, &outLeft) }
            output.append(contentsOf: UnsafeRawBufferPointer(start: outputBase, count: scratch.count - outLeft))
            return raw.count
          }
          let before = inputLeft
          let failed = iconv(descriptor, &input, &inputLeft, &out, &outLeft) == -1
          let code = failed ? errno : 0
          output.append(contentsOf: UnsafeRawBufferPointer(start: outputBase, count: scratch.count - outLeft))
          let stuck = inputLeft == before && outLeft == scratch.count
          guard stuck || (failed && code != E2BIG) else { continue }
          if code == EINVAL, !isLast { return raw.count - inputLeft }
          // A wrong or cut sequence: one replacement, one byte on.
          output.append(contentsOf: [0xEF, 0xBF, 0xBD])
          guard code != EINVAL, inputLeft > 0 else {
            iconv(descriptor, nil, nil, nil, nil)
            return raw.count
          }
          input = input?.advanced(by: 1)
          inputLeft -= 1
        }
      }
    }
  }
}
