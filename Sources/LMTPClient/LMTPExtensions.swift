import Bytes
import LMTPCore

/// What the answer to LHLO announced.
struct LMTPExtensions: Sendable, Hashable {
  var pipelining = false
  var eightBitMIME = false
  var smtpUTF8 = false
  var startTLS = false
  /// RFC 1870 §4: nil when SIZE is not there; 0 when there is no bound, or none that is said.
  var size: Int64?

  init() {}

  init(_ reply: LMTPReply) {
    // The first line is the server's name.
    for line in reply.lines.dropFirst() {
      let words = line.split { $0 == " " || $0 == "\t" }
      switch words.first?.uppercased() {
      case "PIPELINING": pipelining = true
      case "8BITMIME": eightBitMIME = true
      case "SMTPUTF8": smtpUTF8 = true
      case "STARTTLS": startTLS = true
      case "SIZE": size = max(0, words.dropFirst().first.flatMap { Int64($0) } ?? 0)
      default: break
      }
    }
  }
}
