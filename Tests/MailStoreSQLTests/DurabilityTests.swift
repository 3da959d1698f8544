import BlobStore
import MailStore
import MailTestKit
import NIOCore
import Testing

@testable import MailStoreSQL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a failing disk and a power cut do to acknowledged mail. Packs lie on a disk in memory that records every call;
/// SQLite has its own files, whose syncing is asserted at start.
@Suite struct DurabilityTests {
  private func recordingBed() throws -> (StoreBed, RecordingFileSystem) {
    let disk = RecordingFileSystem()
    let bed = try StoreBed(fileSystem: disk)
    try mirrorFolders(bed, disk)
    return (bed, disk)
  }

  /// The folder above the data folder, on the disk in memory as well.
  private func mirrorFolders(_ bed: StoreBed, _ disk: RecordingFileSystem) throws {
    var path = ""
    for part in bed.path.split(separator: "/") {
      let parent = path.isEmpty ? "/" : path
      path += "/\(part)"
      _ = try disk.createDirectory(path)
      try disk.syncDirectory(parent)
    }
  }

  @Test func `After a failed sync nothing is acknowledged until the store is opened again`() async throws {
    let (bed, disk) = try recordingBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(Mail.text("Before"), of: ana)
    disk.failNext(.sync, errno: EIO)
    guard case .io(_, _, EIO) = await thrown({ try await store.put(Mail.text("Lost"), of: ana) }) else {
      Issue.record("the failed sync went unnoticed")
      return
    }
    // Whatever comes now, disk healthy or not, is refused: even what touches no pack.
    #expect(await thrown { try await store.put(Mail.text("After"), of: ana) } != nil)
    let ref = try await store.ref("INBOX", of: ana)
    #expect(await thrown { _ = try await store.changeFlags(FlagChange(.add, .seen), of: [1], in: ref) } != nil)
    #expect(await thrown { _ = try await store.add("budi") } != nil)
    #expect(try await store.body(1, in: ref) == Mail.text("Before"))
    await store.close()
    let again = try bed.openSQL()
    #expect(try await again.info("INBOX", of: ana).messages == 1)
    #expect(try await again.put(Mail.text("Again"), of: ana) == 2)
    #expect(try await again.check().problems == [])
    await again.close()
  }

  @Test func `A full disk refuses one delivery and the next one goes through`() async throws {
    let (bed, disk) = try recordingBed()
    let store = try bed.openSQL()
    let ana = try await store.add("ana")
    try await store.put(of: ana)
    disk.failNext(.write, errno: ENOSPC, keeping: 40)
    guard case .io(_, _, ENOSPC) = await thrown({ try await store.put(Mail.text("No room"), of: ana) }) else {
      Issue.record("the full disk went unnoticed")
      return
    }
    #expect(try await store.info("INBOX", of: ana).messages == 1)
    #expect(try await store.usage(ana).messages == 1)
    #expect(try await store.put(Mail.text("Room"), of: ana) == 2)
    let ref = try await store.ref("INBOX", of: ana)
    #expect(try await store.body(2, in: ref) == Mail.text("Room"))
    #expect(try await store.check().problems == [])
    await store.close()
  }

  /// Delivers and acknowledges, copying the database after each acknowledgement; then cuts the power at each of these
  /// points and opens what is left. Returns how many acknowledged messages could not be read back.
  ///
  /// `imports`: messages bring UIDVALIDITY, UIDs with gaps and UIDLs along.
  private func lostAfterCuts(dropping kind: RecordingFileSystem.Kind?, imports: Bool = false) async throws -> Int {
    func uid(_ number: Int) -> UID { imports ? UID(number * 10 + 5) : UID(number + 1) }
    let (bed, disk) = try recordingBed()
    let store = try bed.openSQL(BedSettings(packBytes: 5000))
    let ana = try await store.add("ana")
    if imports { _ = try await store.prepareImport(ImportedMailbox(name: "INBOX", uidValidity: 1234), of: ana.id) }
    if let kind { disk.drop(kind) }
    var points: [(point: Int, copy: StoreBed, disk: RecordingFileSystem)] = []
    for number in 0..<6 {
      let message = try await store.prepare(Mail.large(2000, seed: UInt64(number)))
      let item = AppendedMessage(
        message: message, uid: imports ? uid(number) : nil, uidl: imports ? "old-\(number)" : nil)
      _ = try await store.append([item], to: "INBOX", of: ana.id)
      let cut = disk.crash(keepUnsynced: number % 2 == 0 ? .none : .torn(seed: UInt64(number)))
      let copy = try StoreBed(fileSystem: cut)
      points.append((number, copy, cut))
      #expect(copyDatabases(from: bed, to: copy))
      // The copy's folder is where the packs of the disk in memory are looked for.
      try mirrorFolders(copy, cut)
      for path in cut.paths where path.hasPrefix(bed.data) {
        try mirror(cut, path, to: copy.data + path.dropFirst(bed.data.count))
      }
    }
    await store.close()
    var lost = 0
    for (point, copy, _) in points {
      guard let store = try? copy.openSQL(BedSettings(packBytes: 5000)) else {
        lost += point + 1
        continue
      }
      let ref = try await store.ref("INBOX", of: ana)
      for number in 0...point
      where (try? await store.body(uid(number), in: ref)) != Mail.large(2000, seed: UInt64(number)) {
        lost += 1
      }
      if kind == nil {
        #expect(try await store.check().problems == [])
        #expect(try await store.put(Mail.text("Life goes on"), of: ana) == uid(point) + 1)
        if imports {
          #expect(try await store.info("INBOX", of: ana).uidValidity == 1234)
          let drop = try await store.openMaildrop(of: ana.id)
          #expect(drop.messages.map(\.uidl).dropLast() == (0...point).map { "old-\($0)" }[...])
          drop.close()
        }
      }
      await store.close()
    }
    return lost
  }

  private func mirror(_ disk: RecordingFileSystem, _ path: String, to target: String) throws {
    var folder = ""
    for part in target.split(separator: "/").dropLast() {
      folder += "/\(part)"
      _ = try disk.createDirectory(folder)
    }
    try disk.rename(path, to: target)
  }

  private func copyDatabases(from bed: StoreBed, to copy: StoreBed) -> Bool {
    mkdir(copy.data, 0o700)
    mkdir("\(copy.data)/volumes", 0o700)
    mkdir("\(copy.data)/volumes/1", 0o700)
    for name in ["directory.sqlite", "volumes/1/mail.sqlite"] {
      for suffix in ["", "-wal"] {
        let from = open("\(bed.data)/\(name)\(suffix)", O_RDONLY)
        guard from >= 0 else { return false }
        let to = open("\(copy.data)/\(name)\(suffix)", O_WRONLY | O_CREAT, 0o600)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
          let count = read(from, &buffer, buffer.count)
          guard count > 0 else { break }
          guard write(to, buffer, count) == count else { return false }
        }
        close(from)
        close(to)
      }
    }
    return true
  }

  @Test func `Every acknowledged message survives a power cut`() async throws {
    #expect(try await lostAfterCuts(dropping: nil) == 0)
  }

  @Test func `Every acknowledged import survives a power cut with its numbers`() async throws {
    #expect(try await lostAfterCuts(dropping: nil, imports: true) == 0)
  }

  @Test(arguments: [RecordingFileSystem.Kind.sync, .syncDirectory])
  func `The power-cut test is red when syncs are left out`(_ kind: RecordingFileSystem.Kind) async throws {
    #expect(try await lostAfterCuts(dropping: kind) > 0)
  }
}
