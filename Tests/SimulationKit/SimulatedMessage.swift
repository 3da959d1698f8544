import MailTestKit
import NIOCore

/// Messages by number: the same number is the same message everywhere, so that a script need only name it.
public enum SimulatedMessage {
  /// Numbers from here on are large messages.
  static let large = 9000

  /// Lines end in CRLF, except in every 13th message, as clients do that know no better.
  public static func bytes(_ number: Int) -> ByteBuffer {
    var random = SeededRandom(seed: UInt64(number) &+ 77)
    var text = header(number, &random)
    switch number % 7 {
    case 0: text += multipart(number, &random)
    case 1: text += "Subject: tanpa isi\r\n"
    case 2:
      text += "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße, \(number).\r\n"
    case 3:
      text += "Content-Transfer-Encoding: base64\r\nContent-Type: text/plain\r\n\r\n"
      text += base64(count: Int.random(in: 1...20, using: &random), &random)
    case 4: text += "\r\n.\r\n..two dots\r\n.\r\nafter the dots \(number)"
    default: text += "\r\n" + prose(lines: Int.random(in: 0...30, using: &random), &random)
    }
    if number >= large {
      text += prose(lines: 4000, &random)
    }
    if number % 13 == 12 {
      text = text.split(separator: "\r\n", omittingEmptySubsequences: false).joined(separator: "\n")
    }
    return ByteBuffer(string: text)
  }

  private static func header(_ number: Int, _ random: inout SeededRandom) -> String {
    let names = [
      "Ana <ana@example.org>", "budi@example.org", "\"Tirta, C.\" <citra@example.net>",
      "=?utf-8?q?D=C3=A9wi?= <dewi@x.id>",
    ]
    func name() -> String { names.randomElement(using: &random) ?? names[0] }
    var text = "From: \(name())\r\nTo: \(name()), \(name())\r\n"
    if Bool.random(using: &random) { text += "Cc: \(name())\r\n" }
    let words = ["laporan", "Re: laporan", "Fwd: [lists] kabar", "=?utf-8?b?UMOkcmtjaGVu?=", "", "rapat\r\n besok"]
    text += "Subject: \(words.randomElement(using: &random) ?? "") \(number)\r\n"
    let day = Int.random(in: 1...28, using: &random)
    text += "Date: \(["Mon", "Tue", "Wed"][number % 3]), \(day) Sep 2026 0\(number % 10):15:00 +0\(number % 8)00\r\n"
    text += "Message-ID: <m\(number)@simulated>\r\n"
    if number % 3 == 1 { text += "In-Reply-To: <m\(number - 1)@simulated>\r\n" }
    if number % 5 == 4 { text += "References: <m\(number / 2)@simulated>\r\n <m\(number - 2)@simulated>\r\n" }
    return text
  }

  private static func prose(lines: Int, _ random: inout SeededRandom) -> String {
    let words = ["surat", "merpati", "pos", "the", "quick", "kantor", "hari", "ini", "Besok", "42", "--", "From"]
    var text = ""
    for _ in 0..<lines {
      let count = Int.random(in: 1...12, using: &random)
      text += (0..<count).map { _ in words.randomElement(using: &random) ?? "" }.joined(separator: " ") + "\r\n"
    }
    return text
  }

  private static func base64(count: Int, _ random: inout SeededRandom) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
    var text = ""
    for _ in 0..<count {
      text += String((0..<72).map { _ in digits.randomElement(using: &random) ?? "A" }) + "\r\n"
    }
    return text
  }

  private static func multipart(_ number: Int, _ random: inout SeededRandom) -> String {
    """
    MIME-Version: 1.0\r
    Content-Type: multipart/mixed; boundary="b\(number)"\r
    \r
    preamble\r
    --b\(number)\r
    Content-Type: text/plain; charset=us-ascii\r
    \r
    \(prose(lines: 3, &random))\r
    --b\(number)\r
    Content-Type: application/octet-stream; name="a.bin"\r
    Content-Disposition: attachment; filename="a.bin"\r
    Content-Transfer-Encoding: base64\r
    \r
    \(base64(count: 5, &random))\r
    --b\(number)\r
    Content-Type: message/rfc822\r
    \r
    Subject: inner \(number)\r
    From: x@example.org\r
    \r
    inside\r
    --b\(number)--\r

    """
  }
}
