import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import LocalMail

/// Twenty messages in three commits, on a disk that fails or loses its power at every call.
@Suite struct LandingFaultTests {
  /// Something that commit said is durable.
  struct Promise: Sendable {
    var entry: MaildirEntry
    var content: String
    /// Changes that the disk had seen when commit returned.
    var point: Int
  }

  private static let incoming: [[IncomingMessage]] = {
    let all = (0..<20).map { number in
      var flags = number % 3 == 0 ? MaildirFlags("S") : MaildirFlags()
      if number >= 14 { flags.keywords = ["later", "$Junk"] }
      let date: Int64? = number % 2 == 0 ? 900_000_000 + Int64(number) : nil
      return IncomingMessage(message(number, lines: number * 7), flags: flags, isNew: number % 5 == 1, date: date)
    }
    return [Array(all[..<7]), Array(all[7..<14]), Array(all[14...])]
  }()

  /// Goes on behind a commit that failed, as a program would with the next messages. Errors must be ours.
  private func run(_ folder: MaildirFolder, _ disk: RecordingDisk, _ threads: NIOThreadPool) async -> [Promise] {
    let landing = MaildirLanding(folder: folder, settings: LandingSettings(), threads: threads)
    var promises: [Promise] = []
    for batch in Self.incoming {
      var staged: [StagedFile] = []
      do {
        for message in batch {
          staged.append(
            try await landing.stage(message.bytes, flags: message.flags, isNew: message.isNew, date: message.date))
        }
        let entries = try await landing.commit(staged)
        let point = disk.point
        for (message, entry) in zip(batch, entries) {
          promises.append(Promise(entry: entry, content: message.bytes.folded, point: point))
        }
      } catch {
        #expect(error is LocalMailError, "\(error)")
        for file in staged { landing.discard(file) }
      }
    }
    return promises
  }

  /// The promises that a disk does not keep.
  private func broken(_ promises: [Promise], _ image: DiskImage, _ folder: MaildirFolder) -> [String] {
    promises.compactMap { promise in
      let path = folder.path(of: promise.entry)
      guard let file = image.names[path].flatMap({ image.files[$0] }) else { return "\(path) is missing" }
      guard String(decoding: file.bytes, as: UTF8.self) == promise.content else { return "\(path) is damaged" }
      if let time = file.time, time != promise.entry.date { return "\(path) has another date" }
      if file.time == nil, promise.entry.date < 1_000_000_000 { return "\(path) lost its date" }
      guard promise.entry.flags.keywords.isEmpty == false else { return nil }
      let keywords = image.names[folder.directory + "/dovecot-keywords"].flatMap { image.files[$0] }
      let known = keywords.map { String(decoding: $0.bytes, as: UTF8.self) } == "0 later\n1 $Junk\n"
      return known ? nil : "\(path) lost its keywords"
    }
  }

  private func broken(_ promises: [Promise], _ disk: RecordingDisk, _ folder: MaildirFolder) -> [String] {
    (0...disk.point).flatMap { point in
      broken(promises.filter { $0.point <= point }, disk.crash(at: point, .lost), folder)
    }
  }

  private func withDisk<Value>(
    _ body: (MaildirFolder, RecordingDisk, NIOThreadPool) async throws -> Value
  ) async throws -> Value {
    try await withMaildir { folder in
      try await withThreads { threads in
        let disk = try RecordingDisk(root: folder.directory)
        return try await body(MaildirFolder(directory: folder.directory, disk: disk), disk, threads)
      }
    }
  }

  @Test func `Wherever the power is cut, what was committed is there, whole`() async throws {
    try await withDisk { folder, disk, threads in
      let promises = await run(folder, disk, threads)
      #expect(promises.count == 20)
      #expect(broken(promises, disk, folder) == [])
      for point in 0...disk.point {
        let due = promises.filter { $0.point <= point }
        #expect(broken(due, disk.crash(at: point, .kept), folder) == [], "all kept, cut at \(point)")
        for seed in 0..<4 as Range<UInt64> {
          #expect(broken(due, disk.crash(at: point, .torn(seed: seed)), folder) == [], "cut at \(point), seed \(seed)")
        }
      }
    }
  }

  @Test func `The next run finds the committed messages on what a power cut left, and can clean up`() async throws {
    try await withDisk { folder, disk, threads in
      let promises = await run(folder, disk, threads)
      let last = try #require(promises.last).point
      for point in [0, last / 3, last / 2, last, disk.point] {
        try await withFolder { target in
          try disk.crash(at: point, .torn(seed: UInt64(point))).write(from: disk.root, to: target)
          let after = MaildirFolder(directory: target)
          let found = Dictionary(uniqueKeysWithValues: try after.scan().map { ($0.base, $0) })
          for promise in promises where promise.point <= point {
            let entry = try #require(found[promise.entry.base])
            #expect(entry.flags == promise.entry.flags)
            #expect(try text(at: after.path(of: entry)) == promise.content)
          }
          try after.removeTemporary(ofOwner: "")
          try after.removeTemporary(ofOwner: "list")
          #expect(try names(in: target + "/tmp") == [])
        }
      }
    }
  }

  @Test func `No sync can be left out`() async throws {
    let counts = try await withDisk { folder, disk, threads in
      _ = await run(folder, disk, threads)
      return (disk.count(.sync), disk.count(.syncDirectory))
    }
    // One for each message and for the names of keywords; new and cur in each commit, and the folder for the keywords.
    #expect(counts.0 == 21)
    #expect(counts.1 == 7)
    for (kind, count) in [(RecordingDisk.Kind.sync, counts.0), (.syncDirectory, counts.1)] {
      for number in 0..<count {
        try await withDisk { folder, disk, threads in
          disk.ignore(kind, number: number)
          let promises = await run(folder, disk, threads)
          #expect(promises.count == 20)
          #expect(broken(promises, disk, folder) != [], "\(kind) number \(number) makes no difference")
        }
      }
    }
  }

  @Test(arguments: [ENOSPC, EIO])
  func `Whatever call fails, what was committed is durable and nothing else is seen`(code: Int32) async throws {
    let calls = try await withDisk { folder, disk, threads in
      _ = await run(folder, disk, threads)
      return disk.callCount
    }
    #expect(calls > 150)
    var failures = 0
    for call in 0..<calls {
      try await withDisk { folder, disk, threads in
        disk.fail(call: call, errno: code)
        let promises = await run(folder, disk, threads)
        if promises.count < 20 { failures += 1 }
        let seen = try MaildirFolder(directory: folder.directory).scan()
        #expect(Set(seen.map(\.base)) == Set(promises.map(\.entry.base)), "call \(call), \(disk.kinds[call])")
        #expect(broken(promises, disk.crash(at: disk.point, .lost), folder) == [], "call \(call), \(disk.kinds[call])")
        #expect(try names(in: folder.directory + "/tmp") == [], "call \(call), \(disk.kinds[call])")
      }
    }
    #expect(failures > 150, "the errors were not swallowed")
  }
}
