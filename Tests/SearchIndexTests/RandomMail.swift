import MailFormat
import NIOCore

/// The same numbers every time.
struct Dice: RandomNumberGenerator {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return state &* 0x2545_F491_4F6C_DD1D
  }

  mutating func pick<Value>(_ values: [Value]) -> Value { values[Int(next() % UInt64(values.count))] }
}

/// Mail of few letters, so that needles are found, in all the ways mail can be written.
struct RandomMail {
  var dice: Dice
  static let letters = [
    "a", "B", "c", " ", "ß", "É", "ж", "Σ", "ς", "漢", "K", "İ", "=", "-", "0", "e", "\u{301}", "é", "ﬁ", "\u{A0}", "①",
  ]

  init(_ seed: UInt64) { dice = Dice(seed) }

  mutating func text(_ most: Int, _ letters: [String] = RandomMail.letters) -> String {
    (0..<Int.random(in: 0...most, using: &dice)).map { _ in dice.pick(letters) }.joined()
  }

  mutating func needle() -> String { text(6) }

  /// Octets that may be anything, with many of those that mean something in transfer encodings.
  mutating func octets(_ most: Int) -> [UInt8] {
    let common: [UInt8] = Array("aBc= \t\r\n3DdE9".utf8) + [0xC3, 0xA9, 0xE2, 0x84, 0xAA, 0xCC, 0xFF, 0x00]
    return (0..<Int.random(in: 0...most, using: &dice)).map { _ in dice.pick(common) }
  }

  private mutating func field(_ name: String) -> String {
    let separator = dice.pick([": ", ":", ":  ", " : "])
    switch Int.random(in: 0..<4, using: &dice) {
    case 0: return name + separator + text(12) + "\r\n"
    case 1: return name + separator + text(6) + "\r\n " + text(6) + "\r\n"
    case 2: return name + separator + "=?utf-8?B?" + Self.base64(Array(text(8).utf8)) + "?=\r\n"
    default: return name + separator + text(12, ["a", "b", "C", " "]) + "\r\n"
    }
  }

  static func base64(_ bytes: [UInt8]) -> String {
    let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var result = ""
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var value = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) } << UInt32(8 * (3 - group.count))
      var quantum = ""
      for place in 0..<4 {
        quantum += place > group.count ? "=" : String(alphabet[Int(value >> 18 & 63)])
        value <<= 6
      }
      result += quantum
    }
    return result
  }

  private mutating func part(_ depth: Int) -> [UInt8] {
    var lines = ""
    for name in ["Subject", "From", "To", "Cc", "Bcc", "X-Other", "Subject"] where Bool.random(using: &dice) {
      lines += field(name)
    }
    let charset = dice.pick([
      "", "utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "koi8-r", "windows-1258", "windows-1251", "gb2312", "utf-7",
      "no",
    ])
    let type = dice.pick(["text/plain", "text/html", "application/x-data", "multipart/mixed", "message/rfc822"])
    if type == "multipart/mixed", depth < 3 {
      var result = Array((lines + "Content-Type: multipart/mixed; boundary=bb\r\n\r\n").utf8)
      for _ in 0..<Int.random(in: 0...2, using: &dice) {
        result += Array("--bb\r\n".utf8) + part(depth + 1) + [13, 10]
      }
      return result + Array("--bb--\r\n".utf8)
    }
    if type == "message/rfc822", depth < 3 {
      return Array((lines + "Content-Type: message/rfc822\r\n\r\n").utf8) + part(depth + 1)
    }
    let encoding = dice.pick(["7bit", "8bit", "quoted-printable", "base64", "x-other", "x-uuencode"])
    lines += "Content-Type: \(type.hasPrefix("text") ? type : "text/plain")"
    lines += charset.isEmpty ? "\r\n" : "; charset=\(charset)\r\n"
    lines += "Content-Transfer-Encoding: \(encoding)\r\n\r\n"
    let body = Bool.random(using: &dice) ? Array(text(60).utf8) : octets(60)
    return Array(lines.utf8) + (encoding == "base64" ? Array(Self.base64(body).utf8) : body)
  }

  mutating func message() -> ByteBuffer { ByteBuffer(bytes: part(0)) }
  mutating func trace() -> ByteBuffer { ByteBuffer(string: Bool.random(using: &dice) ? field("Subject") : "") }
}
