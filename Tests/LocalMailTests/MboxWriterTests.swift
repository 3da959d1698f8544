import Foundation
import MailTestKit
import NIOCore
import Testing

@testable import LocalMail

@Suite struct MboxWriterTests {
  private func readAll(_ path: String, stripsStatus: Bool = false) throws -> [(MboxEntry, String)] {
    var settings = MboxReadSettings()
    settings.stripsStatus = stripsStatus
    settings.usesContentLength = false
    let reader = try MboxReader(path: path, settings: settings)
    var result: [(MboxEntry, String)] = []
    while let entry = try reader.next() { result.append((entry, String(buffer: try reader.message(of: entry)))) }
    return result
  }

  @Test(arguments: [false, true])
  func `Every message comes back byte for byte`(writesStatus: Bool) async throws {
    var random = SeededRandom(seed: writesStatus ? 1 : 2)
    let pieces = [
      "From ", ">", "From", "\n", "\n\n", "a", "Subject: x\n", "From a@b Thu Jan  1 00:00:00 1970\n", "\r", ">From ",
      "Status: RO\n", "X-Status: A\n", "Content-Length: 3\n", " ", "ü", "\n\r\n",
    ]
    for round in 0..<150 {
      try await withFolder { folder in
        let path = folder + "/mbox"
        var settings = MboxWriteSettings()
        settings.writesStatus = writesStatus
        let writer = MboxWriter(path: path, settings: settings)
        var expected: [String] = []
        for _ in 0..<3 {
          let texts = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            var text = (0..<Int.random(in: 0...12, using: &random)).map { _ in
              pieces.randomElement(using: &random) ?? ""
            }.joined()
            // LF form: the writer makes it of CRLF itself.
            while text.contains("\r\n") { text = text.replacing("\r\n", with: "\n") }
            return text
          }
          var status = MboxStatus()
          status.flags = MaildirFlags("S", ["k"])
          status.uidl = "u\(round)"
          let places = try writer.append(
            texts.map { MboxMessage(.bytes(ByteBuffer(string: $0)), sender: "x y", date: 99, status: status) })
          #expect(places.map(\.fingerprint) == texts.map { Fingerprint(of: ByteBuffer(string: $0)) })
          expected += texts
          let read = try readAll(path, stripsStatus: writesStatus)
          #expect(read.map(\.1) == expected, "round \(round)")
          #expect(read.suffix(places.count).map(\.0.offset) == places.map(\.offset))
          #expect(read.suffix(places.count).map(\.0.length) == places.map(\.length))
          #expect(read.allSatisfy { $0.0.date == 99 && $0.0.sender == "x_y" })
          if writesStatus { #expect(read.allSatisfy { $0.0.status == status }) }
        }
      }
    }
  }

  @Test func `What is written is what others expect`() async throws {
    try await withFolder { folder in
      let path = folder + "/mbox"
      let places = try MboxWriter(path: path).append([
        MboxMessage(.bytes(ByteBuffer(string: "A: b\r\n\r\nFrom x\r\n>From y\r\n")), sender: "a@b", date: 0),
        MboxMessage(.bytes(ByteBuffer(string: "C: d\n\nend")), date: 0),
      ])
      #expect(
        try text(at: path) == """
          From a@b Thu Jan  1 00:00:00 1970
          A: b

          >From x
          >>From y

          From MAILER-DAEMON Thu Jan  1 00:00:00 1970 no-newline-at-end
          C: d

          end


          """)
      #expect(places.map(\.offset) == [0, places[0].length])
      #expect(try names(in: folder) == ["mbox"], "no lock is left")
    }
  }

  @Test func `A file that others left without an empty line gets one, and loses nothing`() async throws {
    for start in ["From a Thu Jan  1 00:00:00 1970\nx", "From a Thu Jan  1 00:00:00 1970\nx\n"] {
      try await withFolder { folder in
        try write(start, to: folder + "/mbox")
        try MboxWriter(path: folder + "/mbox").append([MboxMessage(.bytes(ByteBuffer(string: "y\n")))]).first
          .map { #expect($0.offset == 35) }
        #expect(try readAll(folder + "/mbox").map(\.1) == ["x\n", "y\n"])
      }
    }
  }

  @Test func `A message too large for memory is taken from a file`() async throws {
    try await withFolder { folder in
      let large = String(repeating: "From far away\n>From near\r\n", count: 30_000) + "end"
      try write(large, to: folder + "/message")
      let writer = MboxWriter(path: folder + "/mbox")
      let places = try writer.append([MboxMessage(.file(folder + "/message")), MboxMessage(.bytes(message(1)))])
      #expect(places[0].fingerprint == Fingerprint(of: ByteBuffer(string: large)))
      let read = try readAll(folder + "/mbox").map(\.1)
      #expect(read == [large.replacing("\r\n", with: "\n"), message(1).folded])
    }
  }

  @Test(arguments: [ENOSPC, EIO])
  func `Whatever call fails, the file is as it was or holds all, and says which`(code: Int32) async throws {
    var call = 0
    var failures = 0
    var wasReached = true
    while wasReached {
      try await withFolder { folder in
        let path = folder + "/mbox"
        _ = try MboxWriter(path: path).append([MboxMessage(.bytes(message(0)), date: 1)])
        let before = try text(at: path)
        let disk = try RecordingDisk(root: folder)
        disk.fail(call: call, errno: code)
        let writer = MboxWriter(path: path, disk: disk)
        do {
          _ = try writer.append([MboxMessage(.bytes(message(1)), date: 1), MboxMessage(.bytes(message(2)), date: 1)])
          #expect(try readAll(path).map(\.1) == (0..<3).map { message($0).folded }, "call \(call)")
        } catch {
          failures += 1
          #expect(error is LocalMailError)
          #expect(try text(at: path) == before, "call \(call), \(disk.kinds[call])")
        }
        wasReached = disk.callCount > call
        let isLocked = FileManager.default.fileExists(atPath: path + ".lock")
        #expect(!isLocked || disk.kinds[call] == .unlink, "call \(call)")
      }
      call += 1
    }
    #expect(failures > 8)
  }

  @Test func `Wherever the power is cut, what was appended is there, and the rest can be cut off`() async throws {
    try await withFolder { folder in
      let path = folder + "/mbox"
      let disk = try RecordingDisk(root: folder)
      let writer = MboxWriter(path: path, disk: disk)
      // What a journal would hold: the length before each append, and the messages that were returned.
      var journal: [(point: Int, length: Int64, returned: [String])] = [(0, 0, [])]
      var returned: [String] = []
      for round in 0..<3 {
        let messages = (0..<3).map { message(round * 3 + $0) }
        _ = try writer.append(messages.map { MboxMessage(.bytes($0), date: 1) }) { length in
          journal.append((disk.point, length, returned))
        }
        returned += messages.map(\.folded)
        journal.append((disk.point, try writer.length(), returned))
      }
      for point in 0...disk.point {
        let known = try #require(journal.last { $0.point <= point })
        for keep in [PowerCut.Unsynced.lost, .kept, .torn(seed: 1), .torn(seed: 2), .torn(seed: 3)] {
          try await withFolder { target in
            try disk.crash(at: point, keep).write(from: disk.root, to: target)
            // A lock of a dead process would be waited for.
            try? FileManager.default.removeItem(atPath: target + "/mbox.lock")
            try MboxWriter(path: target + "/mbox").recover(to: known.length)
            let read = known.length == 0 ? [] : try readAll(target + "/mbox").map(\.1)
            #expect(read == known.returned, "cut at \(point), \(keep)")
          }
        }
      }
    }
  }

  @Test(arguments: [RecordingDisk.Kind.sync, .syncDirectory])
  func `No sync can be left out`(kind: RecordingDisk.Kind) async throws {
    try await withFolder { folder in
      let disk = try RecordingDisk(root: folder)
      disk.ignore(kind, number: 0)
      _ = try MboxWriter(path: folder + "/mbox", disk: disk).append([MboxMessage(.bytes(message(1)), date: 1)])
      let image = disk.crash(at: disk.point, .lost)
      let bytes = image.names[folder + "/mbox"].flatMap { image.files[$0] }?.bytes ?? []
      #expect(bytes.isEmpty)
    }
  }

  @Test func `What others appended since a crash is not cut off`() async throws {
    try await withFolder { folder in
      let writer = MboxWriter(path: folder + "/mbox")
      _ = try writer.append([MboxMessage(.bytes(message(1)))])
      let length = try writer.length()
      _ = try writer.append([MboxMessage(.bytes(message(2)))])
      let error = #expect(throws: LocalMailError.self) { try writer.recover(to: length, limit: length + 10) }
      #expect(error?.kind == .differs)
      #expect(try readAll(folder + "/mbox").count == 2)
      try writer.recover(to: length)
      #expect(try readAll(folder + "/mbox").count == 1)
      #expect(throws: LocalMailError.self) { try writer.recover(to: length + 1) }
    }
  }

  @Test func `Bytes that come back changed do not count`() async throws {
    try await withFolder { folder in
      let disk = try RecordingDisk(root: folder)
      disk.damageReads { _, bytes in if !bytes.isEmpty { bytes[0] ^= 1 } }
      let error = #expect(throws: LocalMailError.self) {
        _ = try MboxWriter(path: folder + "/mbox", disk: disk).append([MboxMessage(.bytes(message(1)))])
      }
      #expect(error?.kind == .differs)
      #expect(try text(at: folder + "/mbox") == "")
    }
  }

  @Test func `A file that another descriptor holds is locked`() async throws {
    try await withFolder { folder in
      let path = folder + "/mbox"
      let one = try PosixDisk().open(path, .openOrCreate)
      #expect(try one.lock())
      let other = try PosixDisk().open(path, .readWrite)
      #expect(try !other.lock())
      one.close()
      #expect(try other.lock())
    }
  }
}
