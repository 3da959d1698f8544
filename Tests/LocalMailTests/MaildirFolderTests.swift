import Foundation
import NIOCore
import Testing

@testable import LocalMail

@Suite struct MaildirFolderTests {
  @Test func `A folder is listed with flags, keywords, sizes and dates`() async throws {
    try await withMaildir { folder in
      try write("0 $Forwarded\n2 Work\nnonsense\n99 no\n", to: folder.directory + "/dovecot-keywords")
      try write("abc\n", to: folder.directory + "/cur/5.a,S=400:2,FSac")
      try write("abcdef\n", to: folder.directory + "/new/6.b")
      try write("x", to: folder.directory + "/cur/.hidden")
      try FileManager.default.createDirectory(atPath: folder.directory + "/cur/dir", withIntermediateDirectories: false)
      let date = Date(timeIntervalSince1970: 800_000_000)
      try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: folder.directory + "/new/6.b")
      let entries = try folder.scan().sorted { $0.base < $1.base }
      #expect(entries.map(\.base) == ["5.a,S=400", "6.b"])
      #expect(entries.map(\.flags) == [MaildirFlags("FS", ["$Forwarded", "Work"]), MaildirFlags()])
      #expect(entries.map(\.size) == [400, 7])
      #expect(entries.map(\.isNew) == [false, true])
      #expect(entries[1].date == 800_000_000)
      #expect(try folder.scan(withDates: false).first { $0.base == "5.a,S=400" }?.date == 5)
    }
  }

  @Test func `A file that is renamed between listing and use is seen once, and found`() async throws {
    try await withMaildir { folder in
      let cur = folder.directory + "/cur/"
      for number in 0..<5 { try write("x", to: cur + "\(number).a:2,") }
      let disk = try RecordingDisk(root: folder.directory)
      let watched = MaildirFolder(directory: folder.directory, disk: disk)
      disk.after(.list) {
        try? FileManager.default.moveItem(atPath: cur + "1.a:2,", toPath: cur + "1.a:2,S")
        try? FileManager.default.moveItem(atPath: cur + "2.a:2,", toPath: folder.directory + "/new/2.a")
        try? FileManager.default.removeItem(atPath: cur + "3.a:2,")
      }
      #expect(try watched.scan().map(\.fileName).sorted() == ["0.a:2,", "1.a:2,S", "2.a", "4.a:2,"])
      let old = try #require(try folder.find(base: "4.a"))
      try FileManager.default.moveItem(atPath: cur + "4.a:2,", toPath: cur + "4.a:2,FT")
      #expect(try folder.fingerprint(of: old) == Fingerprint(of: ByteBuffer(string: "x")))
      // What the other program has set meanwhile stays.
      let changed = try folder.setFlags(MaildirFlags("S"), of: old).entry
      #expect(changed.fileName == "4.a:2,FST" && changed.flags == MaildirFlags("FST"))
      #expect(try folder.find(base: "4") == nil)
    }
  }

  @Test func `A file that the listing passes over because it is being renamed is listed again`() async throws {
    try await withMaildir { folder in
      let cur = folder.directory + "/cur/"
      try write("x", to: cur + "1.a:2,")
      let disk = try RecordingDisk(root: folder.directory)
      // Gone from the first listing, back before the second.
      try FileManager.default.moveItem(atPath: cur + "1.a:2,", toPath: folder.directory + "/away")
      disk.after(.list) {
        try? FileManager.default.moveItem(atPath: folder.directory + "/away", toPath: folder.directory + "/new/1.a")
      }
      #expect(try MaildirFolder(directory: folder.directory, disk: disk).scan().map(\.fileName) == ["1.a"])
    }
  }

  @Test func `Two messages under one base are two messages; two names of one file are one`() async throws {
    try await withMaildir { folder in
      try write("one", to: folder.directory + "/cur/1.a,S=3:2,S")
      try write("two", to: folder.directory + "/cur/1.a,S=3:2,F")
      try write("linked", to: folder.directory + "/new/2.b")
      try FileManager.default.linkItem(atPath: folder.directory + "/new/2.b", toPath: folder.directory + "/cur/2.b:2,")
      let entries = try folder.scan()
      #expect(entries.count == 3)
      #expect(Set(entries.map(\.base)).count == 3)
      #expect(Set(try entries.map { try text(at: folder.path(of: $0)) }) == ["one", "two", "linked"])
      #expect(Set(try folder.scan()) == Set(entries), "and stay so")
    }
  }

  @Test func `Flags are shown by renaming; unknown letters and what follows stay`() async throws {
    try await withMaildir { folder in
      try write("0 old\n", to: folder.directory + "/dovecot-keywords")
      try write("x", to: folder.directory + "/new/1.a")
      try write("x", to: folder.directory + "/cur/2.b:2,QSaz,more")
      let fresh = try #require(try folder.find(base: "1.a"))
      let (seen, unkept) = try folder.setFlags(MaildirFlags("SR"), of: fresh)
      #expect(seen.fileName == "1.a:2,RS" && !seen.isNew && unkept == [])
      let other = try #require(try folder.find(base: "2.b"))
      #expect(other.flags == MaildirFlags("S", ["old"]))
      let (changed, _) = try folder.setFlags(MaildirFlags("F", ["$Junk"]), of: other)
      #expect(changed.fileName == "2.b:2,FQbz,more")
      #expect(try folder.find(base: "2.b") == changed)
      #expect(try text(at: folder.directory + "/dovecot-keywords") == "0 old\n1 $Junk\n")
      #expect(try names(in: folder.directory) == ["cur", "dovecot-keywords", "new", "tmp"])
      #expect(try names(in: folder.directory + "/tmp") == [])
      try folder.sync()
    }
  }

  @Test func `Beyond 26 keywords the rest is named, and case makes no new one`() async throws {
    try await withMaildir { folder in
      try write("x", to: folder.directory + "/cur/1.a:2,")
      let entry = try #require(try folder.find(base: "1.a"))
      let keywords = (0..<28).map { "k\($0)" }
      let (changed, unkept) = try folder.setFlags(MaildirFlags("", keywords + ["with blank"]), of: entry)
      #expect(changed.fileName == "1.a:2,abcdefghijklmnopqrstuvwxyz")
      #expect(unkept == ["k26", "k27", "with blank"])
      #expect(changed.flags.keywords == Array(keywords.prefix(26)))
      #expect(try folder.setFlags(MaildirFlags("", ["K3"]), of: changed).entry.fileName == "1.a:2,d")
    }
  }

  @Test func `Who holds Dovecot's lock is waited for, who left it behind is not`() async throws {
    try await withMaildir { folder in
      let path = folder.directory + "/dovecot-uidlist.lock"
      try write("1:other", to: path)
      let error = #expect(throws: LocalMailError.self) {
        _ = try DotLock.acquire(path, disk: PosixDisk(), wait: 0)
      }
      #expect(error?.kind == .locked)
      #expect(FileManager.default.fileExists(atPath: path), "a fresh lock stays")
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: -130)], ofItemAtPath: path)
      let lock = try DotLock.acquire(path, disk: PosixDisk(), wait: 0)
      #expect(try text(at: path).prefix { $0 != "\0" } == "\(getpid()):\(UniqueName.host)")
      try FileManager.default.removeItem(atPath: path)
      try write("2:other", to: path)
      try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -1)], ofItemAtPath: path)
      lock.release()
      #expect(try text(at: path) == "2:other", "not ours any more")
    }
  }

  @Test func `A move keeps the base and gives keywords the letters of the other folder`() async throws {
    try await withMaildir { folder in
      let other = try MaildirTree(root: folder.directory).createFolder(["Other"])
      try write("0 a\n1 b\n", to: folder.directory + "/dovecot-keywords")
      try write("0 x\n1 a\n", to: other.directory + "/dovecot-keywords")
      try write("one", to: folder.directory + "/cur/1.a,S=3:2,Sabyz")
      try write("taken", to: other.directory + "/cur/2.b,S=3:2,")
      try write("two", to: folder.directory + "/cur/2.b,S=3:2,")
      try write("three", to: folder.directory + "/new/3.c")
      let moved = try folder.move(try #require(try folder.find(base: "1.a,S=3")), to: other)
      #expect(moved.fileName == "1.a,S=3:2,Sbcyz")
      #expect(try text(at: other.path(of: moved)) == "one")
      #expect(try other.find(base: "1.a,S=3") == moved)
      let second = try folder.move(try #require(try folder.find(base: "2.b,S=3")), to: other)
      #expect(second.base != "2.b,S=3" && second.base.hasSuffix(",S=3"))
      #expect(try text(at: other.path(of: second)) == "two")
      #expect(try text(at: other.directory + "/cur/2.b,S=3:2,") == "taken")
      let third = try folder.move(try #require(try folder.find(base: "3.c")), to: other)
      #expect(third.isNew && third.fileName == "3.c")
      #expect(try folder.scan() == [])
      #expect(try other.scan().count == 4)
    }
  }

  @Test func `What is removed is gone, and may have been gone before`() async throws {
    try await withMaildir { folder in
      try write("x", to: folder.directory + "/new/1.a")
      let entry = try #require(try folder.find(base: "1.a"))
      try FileManager.default.moveItem(
        atPath: folder.directory + "/new/1.a", toPath: folder.directory + "/cur/1.a:2,S")
      try folder.remove(entry)
      #expect(try folder.scan() == [])
      try folder.remove(entry)
      let error = #expect(throws: LocalMailError.self) { _ = try folder.setFlags(MaildirFlags(), of: entry) }
      #expect(error?.kind == .missing)
    }
  }

  @Test func `A name that is no UTF-8 is told, not left out`() async throws {
    try await withMaildir { folder in
      let bytes = Array((folder.directory + "/cur/1.a").utf8) + [0xFF, 0]
      let file = try #require(
        bytes.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { fopen($0.baseAddress, "w") })
      fclose(file)
      #expect(throws: LocalMailError.self) { _ = try folder.scan() }
    }
  }
}
