import Foundation
import NIOCore
import Testing

@testable import LocalMail

@Suite struct MboxReaderTests {
  private static let from = "From a@example.org Thu Jan  1 00:00:05 1970\n"

  private func read(
    _ text: String, _ settings: MboxReadSettings = MboxReadSettings()
  ) async throws -> [(entry: MboxEntry, text: String)] {
    try await withFolder { folder in
      try write(text, to: folder + "/mbox")
      let reader = try MboxReader(path: folder + "/mbox", settings: settings)
      var result: [(entry: MboxEntry, text: String)] = []
      while let entry = try reader.next() {
        result.append((entry, String(buffer: try reader.message(of: entry))))
      }
      return result
    }
  }

  @Test func `Messages are told apart by From lines behind empty lines`() async throws {
    let text =
      "\(Self.from)A: b\n\nFrom here on\n\nFrom there, too\nx\nFrom a Thu Jan  1 00:00:05 1970\n\n\(Self.from)C: d\n"
    let messages = try await read(text)
    #expect(
      messages.map(\.text) == [
        "A: b\n\nFrom here on\n\nFrom there, too\nx\nFrom a Thu Jan  1 00:00:05 1970\n", "C: d\n",
      ])
    #expect(messages.map(\.entry.sender) == ["a@example.org", "a@example.org"])
    #expect(messages.map(\.entry.date) == [5, 5])
    #expect(messages[0].entry.offset == 0)
    #expect(messages[1].entry.offset == messages[0].entry.length)
    #expect(messages[1].entry.offset + messages[1].entry.length == Int64(text.utf8.count))
  }

  @Test func `Empty files, empty messages and CRLF files are read`() async throws {
    #expect(try await read("").isEmpty)
    #expect(try await read("\n\n").isEmpty)
    #expect(try await read("\n\(Self.from)x\n").map(\.text) == ["x\n"])
    #expect(try await read("\(Self.from)\n\(Self.from)\n").map(\.text) == ["", ""])
    #expect(try await read(Self.from).map(\.text) == [""])
    let crlf = "\(Self.from)A: b\n\nx\n\n\(Self.from)y\n\n".replacing("\n", with: "\r\n")
    #expect(try await read(crlf).map(\.text) == ["A: b\r\n\r\nx\r\n", "y\r\n"])
  }

  @Test func `What is no mbox is told`() async throws {
    let error = await #expect(throws: LocalMailError.self) { _ = try await read("Subject: x\n\ny\n") }
    #expect(error?.description.contains("no mbox") == true)
  }

  @Test func `Quoting is undone by the rule of the file`() async throws {
    let text = "\(Self.from)>From a\n>>From b\n>from c\n> From d\n>>>From"
    var settings = MboxReadSettings()
    #expect(try await read(text, settings).map(\.text) == ["From a\n>From b\n>from c\n> From d\n>>>From"])
    settings.quoting = .mboxo
    #expect(try await read(text, settings).map(\.text) == ["From a\n>>From b\n>from c\n> From d\n>>>From"])
    settings.quoting = .none
    #expect(try await read(text, settings).map(\.text) == [">From a\n>>From b\n>from c\n> From d\n>>>From"])
  }

  @Test func `Content-Length counts only where it leads to a From line or the end`() async throws {
    let inner = "x\n\n\(Self.from)y\n"
    for (length, expected) in [
      (inner.utf8.count, ["Content-Length: \(inner.utf8.count)\n\n\(inner)", "z\n"]),
      (inner.utf8.count + 1, ["Content-Length: \(inner.utf8.count + 1)\n\n\(inner)\n", "z\n"]),
      (2, ["Content-Length: 2\n\nx\n", "y\n", "z\n"]), (3, ["Content-Length: 3\n\nx\n\n", "y\n", "z\n"]),
      (4, ["Content-Length: 4\n\nx\n", "y\n", "z\n"]), (9999, ["Content-Length: 9999\n\nx\n", "y\n", "z\n"]),
    ] {
      let text = "\(Self.from)Content-Length: \(length)\n\n\(inner)\n\(Self.from)z\n"
      #expect(try await read(text).map(\.text) == expected)
    }
    var settings = MboxReadSettings()
    settings.usesContentLength = false
    let text = "\(Self.from)Content-Length: \(inner.utf8.count)\n\n\(inner)\n\(Self.from)z\n"
    #expect(try await read(text, settings).count == 3)
    for length in ["-1", "9223372036854775807", "99999999999999999999", "x"] {
      #expect(try await read("\(Self.from)Content-Length: \(length)\n\nx\n\n\(Self.from)z\n").count == 2)
    }
  }

  @Test func `Status lines of mail programs are read as flags, keywords and UIDs`() async throws {
    let text =
      "\(Self.from)Subject: x\nX-IMAPbase: 77 9 foo\nstatus: RO\nX-Status: AFT\nX-Keywords: $Forwarded work,home\n"
      + "X-UID: 9\nX-UIDL: abc\n\nX-Status: D\n\n\(Self.from)A: b\n\n"
    let messages = try await read(text)
    let status = try #require(messages.first).entry.status
    #expect(status.flags == MaildirFlags("SRFDP", ["work", "home"]))
    #expect(status.isOld && status.uid == 9 && status.uidl == "abc")
    #expect(status.uidValidity == 77 && status.lastUID == 9)
    #expect(messages[1].entry.status == MboxStatus())
    #expect(messages[0].text.hasPrefix("Subject: x\n"), "nothing is taken away unless asked")
  }

  @Test(
    arguments: [
      ("Thu Jan  1 00:00:00 1970", 0), ("Sat Feb 29 12:30:01 2020", 1_582_979_401),
      ("Feb 29 12:30:01 2020", 1_582_979_401), ("Sat Feb 29 13:30:01 2020 +0100", 1_582_979_401),
      ("Sat Feb 29 12:30 MET 2020", 1_582_979_400), ("Sat Feb 29 12:30:01 2020 remote from uucp", 1_582_979_401),
      ("Wed Dec 31 23:59:59 1969", -1), ("yesterday", nil), ("Thu Jan  1 25:00:00 1970", nil), ("Jan 1 1970", nil),
    ] as [(String, Int64?)])
  func `Dates of From lines are read`(text: String, seconds: Int64?) {
    #expect(AsctimeDate.read(text.split(separator: " ")) == seconds)
  }

  @Test func `Dates are written as asctime does, and come back`() {
    #expect(AsctimeDate.write(0) == "Thu Jan  1 00:00:00 1970")
    #expect(AsctimeDate.write(1_582_979_401) == "Sat Feb 29 12:30:01 2020")
    for seconds in stride(from: -62_000_000_000 as Int64, to: 250_000_000_000, by: 1_234_567_891) {
      #expect(AsctimeDate.read(AsctimeDate.write(seconds).split(separator: " ")) == seconds)
    }
    for seconds in [Int64.min, Int64.max] { #expect(AsctimeDate.write(seconds).utf8.count == 24) }
  }

  @Test func `Messages larger than a window end where they should, wherever the windows meet`() async throws {
    let piece = LocalMailLimits.piece
    for offset in -12...2 {
      let filler = piece - Self.from.utf8.count + offset
      let first = "A: b\n\n" + String(repeating: "x", count: filler) + "\n"
      for end in ["\n", "\r\n"] {
        let messages = try await read("\(Self.from)\(first)\(end)\(Self.from)second\n")
        #expect(messages.map(\.text) == [first, "second\n"], "\(offset)")
      }
    }
  }
}
