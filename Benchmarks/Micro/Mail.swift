import MailFormat
import NIOCore

/// Messages like those that come every day: plain text, a newsletter in two forms, one with an attachment.
enum Sample {
  static let header = """
    Return-Path: <ayu@example.org>\r
    Received: from mx.example.org (mx.example.org [192.0.2.7]) by mail.example.net with ESMTPS id 4711;\r
    \tMon, 02 Nov 2026 10:00:00 +0700\r
    From: "Ayu Lestari" <ayu@example.org>\r
    To: Budi <budi@example.net>, =?UTF-8?Q?Cahya_S=C3=BCry?= <cahya@example.net>\r
    Cc: daftar@example.org\r
    Subject: Re: =?UTF-8?B?c3VyYXQg6bO85LqM?= and the pigeons of the square\r
    Date: Mon, 02 Nov 2026 10:00:00 +0700\r
    Message-ID: <20261102.4711@example.org>\r
    In-Reply-To: <20261101.4710@example.net>\r
    References: <20261030.1@example.net> <20261101.4710@example.net>\r
    User-Agent: Surat 1.0\r
    MIME-Version: 1.0\r

    """
  static let words = "pigeons carry letters over the hills and the sea and come home at night\r\n"

  static let plain = bytes("Content-Type: text/plain; charset=utf-8\r\n\r\n" + String(repeating: words, count: 40))
  static let alternative = bytes(
    "Content-Type: multipart/alternative; boundary=\"=-b1\"\r\n\r\n--=-b1\r\nContent-Type: text/plain; charset=utf-8\r\n"
      + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + String(repeating: words, count: 40)
      + "\r\n--=-b1\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
      + String(repeating: "<p class=3D\"x\">" + words, count: 100) + "\r\n--=-b1--\r\n")
  static let attached = bytes(
    "Content-Type: multipart/mixed; boundary=\"=-b2\"\r\n\r\n--=-b2\r\nContent-Type: text/plain\r\n\r\n" + words
      + "\r\n--=-b2\r\nContent-Type: image/jpeg; name=\"foto.jpg\"\r\nContent-Transfer-Encoding: base64\r\n"
      + "Content-Disposition: attachment; filename=\"foto.jpg\"; size=98304\r\n\r\n"
      + String(repeating: String(repeating: "QUJD", count: 19) + "\r\n", count: 1600) + "--=-b2--\r\n")

  static let all: [(name: String, bytes: ByteBuffer)] = [
    ("plain", plain), ("alternative", alternative), ("attachment", attached),
  ]

  private static func bytes(_ rest: String) -> ByteBuffer { ByteBuffer(string: header + rest) }
}

func measureMail(_ meter: inout Meter) {
  for (name, bytes) in Sample.all {
    meter.measure("MIME index, \(name)", times: 500) { keep(MessageIndex.parse(bytes.readableBytesSpan)) }
    meter.measure("whole summary, \(name)", times: 200) { keep(MessageSummary.make(bytes.readableBytesSpan)) }
    let index = MessageIndex.parse(bytes.readableBytesSpan)
    var out = ByteBuffer()
    meter.measure("envelope, \(name)", times: 2_000) {
      out.clear()
      Envelope.write(bytes.readableBytesSpan, header: 0..<index.headerLength, into: &out)
    }
  }
}
