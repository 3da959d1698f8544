import Foundation
import MailTestKit
import NIOCore
import NIOPosix
import Testing

@testable import LocalMail

@Suite struct LandingTests {
  @Test func `A message lands in cur with LF, its flags, its date and its sizes`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let staged = try await landing.stage(
          message(1), flags: MaildirFlags("SF", ["$Forwarded", "later"]), isNew: false, date: 1_000_000_000)
        #expect(try names(in: folder.directory + "/cur") == [])
        #expect(staged.fingerprint == Fingerprint(of: message(1)))
        #expect(staged.fileHash == staged.fingerprint.bytes)
        #expect(staged.wireSize == Int64(message(1).readableBytes))
        let entries = try await landing.commit([staged])
        #expect(try folder.scan() == entries)
        let entry = try #require(entries.first)
        #expect(entry.base.hasSuffix(",S=\(message(1).folded.utf8.count),W=\(message(1).readableBytes)"))
        #expect(entry.fileName == entry.base + ":2,FSab")
        #expect(entry.date == 1_000_000_000)
        #expect(try text(at: folder.path(of: entry)) == message(1).folded)
        #expect(try text(at: folder.directory + "/dovecot-keywords") == "0 $Forwarded\n1 later\n")
        #expect(try names(in: folder.directory + "/tmp") == [])
        let mode = try FileManager.default.attributesOfItem(atPath: folder.path(of: entry))[.posixPermissions]
        #expect(mode as? Int == 0o600)
      }
    }
  }

  @Test func `New mail without flags lies in new under its bare name`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let messages = (0..<30).map { IncomingMessage(message($0), flags: MaildirFlags(), isNew: true, date: nil) }
        let entries = try await landing.commit(try await landing.stage(messages))
        #expect(entries.count == 30)
        for (number, entry) in entries.enumerated() {
          #expect(entry.fileName == entry.base && entry.isNew)
          #expect(try text(at: folder.path(of: entry)) == message(number).folded)
          #expect(abs(entry.date - WallClock.seconds()) < 3600)
        }
        #expect(try names(in: folder.directory + "/cur") == [])
      }
    }
  }

  @Test(arguments: [true, false])
  func `A stream cut anywhere gives the same file and hashes as the whole message`(converts: Bool) async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        var settings = LandingSettings()
        settings.convertsToLF = converts
        let landing = MaildirLanding(folder: folder, settings: settings, threads: threads)
        let odd = ByteBuffer(string: "a: b\r\n\r\nbare\nline\r\r\ndoubled\r\r\n\rend\r\n\r")
        let whole = try await landing.stage(odd, flags: MaildirFlags(), isNew: false, date: nil)
        #expect(whole.fingerprint == Fingerprint(of: odd))
        let wire = String(buffer: odd)
        #expect(
          try text(at: whole.temporaryPath)
            == (converts ? "a: b\n\nbare\nline\r\r\ndoubled\r\r\n\rend\n\r" : wire))
        for cut in 0...odd.readableBytes {
          var writer = MessageFileWriter(
            try folder.disk.open(folder.temporaryDirectory + "/x\(cut)", .createNew), converts: converts)
          try odd.withUnsafeReadableBytes { bytes throws(LocalMailError) in
            try writer.write(UnsafeRawBufferPointer(rebasing: bytes[..<cut]))
            try writer.write(UnsafeRawBufferPointer(rebasing: bytes[cut...]))
          }
          let result = try writer.finish()
          #expect(result.fingerprint == whole.fingerprint, "cut at \(cut)")
          #expect(result.fileHash == whole.fileHash, "cut at \(cut)")
          #expect(whole.base.hasSuffix(",S=\(result.size),W=\(result.wireForm)"))
          #expect(try text(at: writer.file.path) == text(at: whole.temporaryPath), "cut at \(cut)")
        }
        let entry = try #require(try await landing.commit([whole]).first)
        #expect(try folder.fingerprint(of: entry) == whole.fingerprint, "the file is the message")
        var wireForm = ByteBuffer()
        let reader = try folder.openWire(entry)
        while let piece = try reader.next() { wireForm.writeImmutableBuffer(piece) }
        #expect(String(buffer: wireForm) == wire.replacing("bare\nline", with: "bare\r\nline"))
        #expect(try folder.wireSize(of: entry) == wireForm.readableBytes)
      }
    }
  }

  @Test func `A stream goes on in a later run from where it was durable`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let odd = ByteBuffer(string: "a: b\r\n\r\nline\r\r\nmore\r\r\nlast\r\n\r")
        for cut in 0...odd.readableBytes {
          let stream = try await landing.begin(flags: MaildirFlags(), isNew: false, date: nil)
          try await stream.append(try #require(odd.getSlice(at: 0, length: cut)))
          let partial = try await stream.checkpoint()
          try await stream.append(ByteBuffer(string: "lost when the power went"))
          _ = try await stream.checkpoint()
          let kept = try JSONDecoder().decode(Partial.self, from: JSONEncoder().encode(partial))
          #expect(kept.wireSize == Int64(cut))
          let resumed = try await landing.resume(kept, flags: MaildirFlags("S"), isNew: false, date: 5)
          try await resumed.append(try #require(odd.getSlice(at: cut, length: odd.readableBytes - cut)))
          let staged = try await resumed.finish()
          #expect(staged.fingerprint == Fingerprint(of: odd), "cut at \(cut)")
          #expect(staged.wireSize == Int64(odd.readableBytes))
          let entry = try #require(try await landing.commit([staged]).first)
          #expect(try text(at: folder.path(of: entry)) == "a: b\n\nline\r\r\nmore\r\r\nlast\n\r", "cut at \(cut)")
          #expect(entry.date == 5 && entry.flags.seen)
        }
      }
    }
  }

  @Test func `A part that is not what the journal says is not gone on with`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let stream = try await landing.begin(flags: MaildirFlags(), isNew: false, date: nil)
        try await stream.append(message(1))
        let partial = try await stream.checkpoint()
        try write("something else", to: partial.temporaryPath)
        let short = await #expect(throws: LocalMailError.self) {
          _ = try await landing.resume(partial, flags: MaildirFlags(), isNew: false, date: nil)
        }
        #expect(short?.kind == .differs)
        try write(String(repeating: "x", count: 5000), to: partial.temporaryPath)
        let other = await #expect(throws: LocalMailError.self) {
          _ = try await landing.resume(partial, flags: MaildirFlags(), isNew: false, date: nil)
        }
        #expect(other?.kind == .differs)
        try FileManager.default.removeItem(atPath: partial.temporaryPath)
        let gone = await #expect(throws: LocalMailError.self) {
          _ = try await landing.resume(partial, flags: MaildirFlags(), isNew: false, date: nil)
        }
        #expect(gone?.kind == .missing)
      }
    }
  }

  @Test func `Bytes that come back changed from the disk do not count and are not seen`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let disk = try RecordingDisk(root: folder.directory)
        let landing = MaildirLanding(
          folder: MaildirFolder(directory: folder.directory, disk: disk), settings: LandingSettings(), threads: threads)
        let good = try await landing.stage(message(1), flags: MaildirFlags(), isNew: false, date: nil)
        let bad = try await landing.stage(message(2), flags: MaildirFlags(), isNew: true, date: nil)
        disk.damageReads { path, bytes in
          if path == bad.temporaryPath, !bytes.isEmpty { bytes[bytes.count / 2] ^= 1 }
        }
        let error = await #expect(throws: LocalMailError.self) { _ = try await landing.commit([good, bad]) }
        #expect(error == LocalMailError(.differs, path: bad.temporaryPath))
        #expect(try folder.scan() == [])
        disk.damageReads(nil)
        // A disk that reads well the second time has still shown that it cannot be trusted with this file.
        await #expect(throws: LocalMailError.self) { _ = try await landing.commit([bad]) }
        #expect(try await landing.commit([good]).count == 1)
      }
    }
  }

  @Test func `A file whose sync failed never counts, though the next sync says it worked`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let disk = try RecordingDisk(root: folder.directory)
        let landing = MaildirLanding(
          folder: MaildirFolder(directory: folder.directory, disk: disk), settings: LandingSettings(), threads: threads)
        let staged = try await landing.stage(message(1), flags: MaildirFlags(), isNew: false, date: nil)
        disk.fail(call: disk.callCount + 1, errno: EIO)
        let error = await #expect(throws: LocalMailError.self) { _ = try await landing.commit([staged]) }
        #expect(error == LocalMailError(.io(operation: "sync", errno: EIO), path: staged.temporaryPath))
        await #expect(throws: LocalMailError.self) { _ = try await landing.commit([staged]) }
        #expect(try names(in: folder.directory + "/cur") == [])
        #expect(try names(in: folder.directory + "/tmp") == [], "what cannot count is removed")
      }
    }
  }

  @Test func `Once the folder could not be synced, nothing is committed by this landing any more`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let disk = try RecordingDisk(root: folder.directory)
        let watched = MaildirFolder(directory: folder.directory, disk: disk)
        let landing = MaildirLanding(folder: watched, settings: LandingSettings(), threads: threads)
        let staged = try await landing.stage(message(1), flags: MaildirFlags(), isNew: false, date: nil)
        let calls = disk.callCount
        // open, sync, stat, read; rename; sync of the folder
        disk.fail(call: calls + 5, errno: EIO)
        let error = await #expect(throws: LocalMailError.self) { _ = try await landing.commit([staged]) }
        #expect(error?.path == folder.directory + "/cur" && disk.kinds[calls + 5] == .syncDirectory)
        #expect(try names(in: folder.directory + "/cur") == [])
        let again = await #expect(throws: LocalMailError.self) { _ = try await landing.commit([staged]) }
        #expect(again == error)
        let other = MaildirLanding(folder: watched, settings: LandingSettings(), threads: threads)
        #expect(try await other.commit([staged]).count == 1, "the message itself is still good")
      }
    }
  }

  @Test func `A name that is taken is not overwritten`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let first = try await landing.stage(message(1), flags: MaildirFlags(), isNew: false, date: nil)
        let second = try await landing.stage(message(2), flags: MaildirFlags(), isNew: false, date: nil)
        try write("other", to: folder.directory + "/cur/\(second.base):2,")
        let error = await #expect(throws: LocalMailError.self) { _ = try await landing.commit([first, second]) }
        #expect(error?.kind == .exists)
        #expect(try text(at: folder.directory + "/cur/\(second.base):2,") == "other")
        #expect(try names(in: folder.directory + "/cur").count == 1, "the first is taken back")
        #expect(try await landing.commit([first]).count == 1)
        landing.discard(second)
        #expect(try names(in: folder.directory + "/tmp") == [])
      }
    }
  }

  @Test func `What a crashed run left in tmp is found by its owner alone`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        var settings = LandingSettings()
        settings.owner = "home/1"
        let landing = MaildirLanding(folder: folder, settings: settings, threads: threads)
        let lost = try await landing.stage(message(1), flags: MaildirFlags(), isNew: true, date: 1)
        let kept = try await landing.stage(message(2), flags: MaildirFlags(), isNew: true, date: 1)
        try write("x", to: folder.directory + "/tmp/other")
        #expect(try folder.removeTemporary(ofOwner: "work") == 0)
        #expect(try folder.cleanTemporary() == 0, "an old INTERNALDATE makes no old file")
        #expect(try folder.removeTemporary(ofOwner: "home/1", keeping: [kept.temporaryPath]) == 1)
        #expect(FileManager.default.fileExists(atPath: kept.temporaryPath))
        #expect(!FileManager.default.fileExists(atPath: lost.temporaryPath))
      }
    }
  }

  @Test func `A stream that is given up leaves nothing`() async throws {
    try await withMaildir { folder in
      try await withThreads { threads in
        let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
        let stream = try await landing.begin(flags: MaildirFlags(), isNew: true, date: nil)
        for number in 0..<200 { try await stream.append(message(number)) }
        await stream.discard()
        #expect(try names(in: folder.directory + "/tmp") == [])
        await #expect(throws: LocalMailError.self) { _ = try await stream.finish() }
      }
    }
  }
}
