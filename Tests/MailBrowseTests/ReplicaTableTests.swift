import Foundation
import IMAPCore
import LocalMail
import MailClient
import MailFormat
import NIOCore
import Testing

@testable import MailBrowse

@Suite struct ReplicaTableTests {
  private func envelope(_ text: String) -> EnvelopeValue { EnvelopeValue(header: ByteBuffer(string: text)) }

  @Test("An envelope is read from a header as servers read it")
  func envelopes() {
    let value = envelope(
      "From: =?utf-8?q?S=C3=A9ri?= <seri@example.org>\r\nTo: a@b,\r\n c <d@e>\r\nTo: f@g\r\nSubject: first\r\n"
        + "Subject: one\r\n\ttwo   three\r\nDate: Tue, 24 Nov 2026 09:30:00 +0700\r\nMessage-ID: <1@x>\r\n\r\nFrom: not@this\r\n"
    )
    #expect(value.from.map(HeaderText.address) == ["seri@example.org"])
    #expect(HeaderText.decoded(value.from.first?.name) == "Séri")
    // Sender and Reply-To are From where they are absent (RFC 9051 §7.5.2); To fields are put together.
    #expect(value.sender == value.from && value.replyTo == value.from)
    #expect(value.to.map(HeaderText.address) == ["a@b", "d@e", "f@g"])
    #expect(value.subject.map { String(buffer: $0) } == "one two three")
    #expect(value.date.map { String(buffer: $0) } == "Tue, 24 Nov 2026 09:30:00 +0700")
    #expect(value.messageID.map { String(buffer: $0) } == "<1@x>")
    #expect(value.cc.isEmpty)
  }

  @Test(
    "Headers of any bytes make an envelope",
    arguments: [
      "", "\r\n", "no colon\r\n", "From\r\n: x\r\n", "From: \0\0<\0@\0>\r\nSubject: \u{0}\r\n", "From: \"", "To:",
    ])
  func anything(_ text: String) {
    let row = ListedMessage(number: 1, header: ByteBuffer(string: text), octets: 0)
    #expect(!row.subject.contains("\0") && !row.from.contains("\0"))
    _ = envelope(text)
  }

  @Test("A filter asks a server and kept headers for the same")
  func filters() throws {
    let row = ListedMessage(
      uid: 1, date: nil, from: "Séri Wati", fromAddress: "seri@example.org", subject: "Foto dari Kebun", octets: 1,
      flags: ["Seen"], attachments: [])
    let noon = IMAPDateTime(seconds: 20_000 * 86_400 + 3600, zoneMinutes: 0)
    func matches(_ change: (inout ListFilter) -> Void, _ date: IMAPDateTime? = nil) -> Bool {
      var filter = ListFilter()
      change(&filter)
      #expect(filter.isEmpty == (filter.key == nil))
      return filter.matches(row, internalDate: date ?? noon)
    }
    #expect(matches { _ in })
    #expect(!matches { $0.unseen = true })
    #expect(matches { $0.from = "SÉRI" } && matches { $0.from = "@example" } && !matches { $0.from = "budi" })
    #expect(matches { $0.subject = "kebun" } && !matches { $0.subject = "laut" })
    #expect(matches { $0.since = IMAPDay(20_000) } && !matches { $0.since = IMAPDay(20_001) })
    // The day is the one of its own zone: 01:00 UTC is the day before in New York.
    let west = IMAPDateTime(seconds: noon.seconds, zoneMinutes: -300)
    #expect(!matches({ $0.since = IMAPDay(20_000) }, west) && matches({ $0.since = IMAPDay(19_999) }, west))
    var filter = ListFilter()
    filter.unseen = true
    filter.subject = "x"
    #expect(filter.key == .and([.unflag(.seen), .subject(ByteBuffer(string: "x"))]))
  }
}
