import Foundation
import LocalMail
import NIOCore
import NIOPosix
import Testing

@testable import MailPull

@Suite(.timeLimit(.minutes(3)))
struct FileTargetTests {
  private func texts(ofMaildir path: String) throws -> [String] {
    try MaildirFolder(directory: path).scan().map { entry in
      let folder = MaildirFolder(directory: path)
      return try String(contentsOfFile: folder.path(of: entry), encoding: .utf8).replacing("\n", with: "\r\n")
    }.sorted()
  }

  private func texts(ofMbox path: String) throws -> [String] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    let reader = try MboxReader(path: path)
    var result: [String] = []
    while let entry = try reader.next() {
      result.append(String(buffer: try reader.message(of: entry)).replacing("\n", with: "\r\n"))
    }
    return result.sorted()
  }

  private func maildir(_ bench: PullBench) -> (target: any PullTarget, path: String) {
    let path = bench.folder + "/Mail"
    return (MaildirTarget(directory: path, owner: "ana", threads: .singleton), path)
  }

  private func mbox(_ bench: PullBench) -> (target: MboxTarget, path: String) {
    let path = bench.folder + "/mbox"
    return (MboxTarget(path: path, spoolFolder: bench.folder, threads: .singleton), path)
  }

  @Test func `Nothing is deleted on the server when another Maildir, or none, stands in the place`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let path = maildir(bench).path
    try await bench.run(.with(.keep), target: maildir(bench).target)
    let elsewhere = bench.folder + "/elsewhere"
    try FileManager.default.moveItem(atPath: path, toPath: elsewhere)
    for isThere in [false, true] {
      if isThere { try MaildirTree(root: path).create() }
      let report = try await bench.run(.with(.delete), target: maildir(bench).target)
      guard case .placeLost(_, let journal, messages: 12)? = report.stopped?.kind else {
        Issue.record("\(String(describing: report.stopped))")
        continue
      }
      #expect(FileManager.default.fileExists(atPath: journal))
      #expect(bench.server.bodies.count == 12)
      #expect(FileManager.default.fileExists(atPath: path) == isThere)
    }
    // What landed in the place that stands there now is another matter.
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.moveItem(atPath: elsewhere, toPath: path)
    let report = try await bench.run(.with(.delete), target: maildir(bench).target)
    #expect((report.deleted, report.landed) == (12, 0))
    #expect(try texts(ofMaildir: path).count == 12)
    // With nothing left on the server a new place is as good as the old one.
    try FileManager.default.removeItem(atPath: path)
    bench.server.set { $0.messages = FakeServer.twelve() }
    #expect(try await bench.run(.with(.delete), target: maildir(bench).target).isComplete)
    #expect(try texts(ofMaildir: path).count == 12)
  }

  @Test func `Nothing is deleted on the server when the mbox that mail came home to is gone`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let (target, path) = mbox(bench)
    try await bench.run(.with(.keep), target: target)
    try FileManager.default.removeItem(atPath: path)
    let report = try await bench.run(.with(.delete), target: mbox(bench).target)
    guard case .placeLost? = report.stopped?.kind else {
      Issue.record("\(String(describing: report.stopped))")
      return
    }
    #expect(bench.server.bodies.count == 12)
    // Emptied by a reader, it is the same file.
    try Data().write(to: URL(fileURLWithPath: path))
    #expect(try await bench.run(.with(.delete), target: mbox(bench).target).deleted == 12)
  }

  @Test(arguments: [Int.max, 40])
  func `A Maildir gets every message once, whatever step the process ends at`(_ wholeOctets: Int) async throws {
    let probe = PullBench(FakeServer.twelve())
    probe.server.set { $0.wholeOctets = wholeOctets }
    let expected = probe.server.bodies
    probe.faults.arm(.crash, at: nil)
    let report = try await probe.run(
      .with(.delete, batch: 5), target: FaultyTarget(maildir(probe).target, probe.faults))
    #expect(report.landed == 12)
    #expect(try texts(ofMaildir: maildir(probe).path) == expected)
    let log = probe.faults.log
    for step in 1...log.count {
      let bench = PullBench(FakeServer.twelve())
      bench.server.set { $0.wholeOctets = wholeOctets }
      let (target, path) = maildir(bench)
      bench.faults.arm(.crash, at: step)
      _ = try? await bench.run(.with(.delete, batch: 5), target: FaultyTarget(target, bench.faults))
      bench.faults.disarm()
      let report = try await bench.run(.with(.delete, batch: 5), target: maildir(bench).target)
      #expect(report.isComplete)
      #expect(try texts(ofMaildir: path) == expected, "crash at \(step) \(log[step - 1])")
      #expect(bench.server.bodies.isEmpty, "crash at \(step) \(log[step - 1])")
      #expect(try FileManager.default.contentsOfDirectory(atPath: path + "/tmp").isEmpty)
    }
  }

  @Test(arguments: [Int.max, 40])
  func `An mbox gets every message once, whatever step the process ends at`(_ wholeOctets: Int) async throws {
    let probe = PullBench(FakeServer.twelve())
    probe.server.set { $0.wholeOctets = wholeOctets }
    let expected = probe.server.bodies
    probe.faults.arm(.crash, at: nil)
    let report = try await probe.run(.with(.delete, batch: 5), target: FaultyTarget(mbox(probe).target, probe.faults))
    #expect(report.landed == 12)
    #expect(try texts(ofMbox: mbox(probe).path) == expected)
    let log = probe.faults.log
    for step in 1...log.count {
      let bench = PullBench(FakeServer.twelve())
      bench.server.set { $0.wholeOctets = wholeOctets }
      let (target, path) = mbox(bench)
      bench.faults.arm(.crash, at: step)
      _ = try? await bench.run(.with(.delete, batch: 5), target: FaultyTarget(target, bench.faults))
      bench.faults.disarm()
      let report = try await bench.run(.with(.delete, batch: 5), target: mbox(bench).target)
      #expect(report.isComplete)
      #expect(try texts(ofMbox: path) == expected, "crash at \(step) \(log[step - 1])")
      #expect(bench.server.bodies.isEmpty, "crash at \(step) \(log[step - 1])")
    }
  }

  @Test func `A Maildir file moved to cur meanwhile is found again, one that was changed is not taken for ours`()
    async throws
  {
    let bench = PullBench(FakeServer.twelve())
    let (target, path) = maildir(bench)
    bench.faults.arm(.crash, at: nil)
    // Up to the rename, not up to the journal.
    let crash = CrashAfterLanding(target)
    _ = try await bench.run(.with(.delete), target: crash)
    let folder = MaildirFolder(directory: path)
    let entries = try folder.scan()
    #expect(entries.count == 12)
    var seen = MaildirFlags()
    seen.seen = true
    _ = try folder.setFlags(seen, of: entries[0])
    try "changed\n".write(toFile: folder.path(of: entries[1]), atomically: false, encoding: .utf8)
    let report = try await bench.run(.with(.delete), target: target)
    #expect((report.landed, report.alreadyThere, report.deleted) == (1, 11, 12))
    #expect(try folder.scan().count == 13)
  }

  @Test func `Two accounts share an mbox, and one that was cut short finds its mail behind the other's`() async throws {
    let probe = PullBench(FakeServer.twelve())
    probe.faults.arm(.crash, at: nil)
    try await probe.run(target: FaultyTarget(mbox(probe).target, probe.faults))
    for step in 1...probe.faults.count {
      let (first, second) = (PullBench(FakeServer.twelve()), PullBench(FakeServer.twelve()))
      let path = first.folder + "/mbox"
      func target(_ owner: String) -> MboxTarget {
        MboxTarget(path: path, owner: owner, spoolFolder: first.folder, threads: .singleton)
      }
      first.faults.arm(.crash, at: step)
      _ = try? await first.run(target: FaultyTarget(target("first"), first.faults))
      first.faults.disarm()
      #expect(try await second.run(target: target("second")).isComplete)
      #expect(try await first.run(target: target("first")).isComplete)
      #expect(try texts(ofMbox: path).count == 24, "crash at step \(step)")
    }
  }

  @Test func `A torn end of an mbox is cut off at every length, and what others appended is left alone`() async throws {
    // What an append of three messages leaves, cut anywhere, with and without somebody else's message behind it.
    let bench = PullBench(Array(FakeServer.twelve().prefix(3)))
    let (target, path) = mbox(bench)
    _ = try MboxWriter(path: path).append([MboxMessage(.bytes(ByteBuffer(string: "Subject: old\n\nold\n")))])
    let before = try Data(contentsOf: URL(fileURLWithPath: path))
    _ = try await bench.run(.with(.delete), target: CrashAfterLanding(target))
    let full = try Data(contentsOf: URL(fileURLWithPath: path))
    let foreign = "From other Thu Jan  1 00:00:00 1970\nSubject: foreign\n\nforeign\n\n"
    let state = try Saved(bench.folder)
    let ends = Array(0...12) + Array(stride(from: 13, to: full.count - before.count - 12, by: 11))
    for length in ends.map({ before.count + $0 }) + Array((full.count - 12)...full.count) {
      for isFollowed in [false, true] {
        try state.restore()
        var data = full.prefix(length)
        // Others begin a new line, as they all do.
        if isFollowed { data += Data((data.last == 0x0A ? "\n" : "\n\n").utf8) + Data(foreign.utf8) }
        try data.write(to: URL(fileURLWithPath: path))
        let messages = Array(FakeServer.twelve().prefix(3))
        bench.server.set { $0.messages = messages }
        let report = try await bench.run(.with(.delete), target: mbox(bench).target)
        #expect(report.isComplete)
        let found = try texts(ofMbox: path)
        let place = "cut at \(length - before.count) of \(full.count - before.count)\(isFollowed ? ", followed" : "")"
        for message in messages {
          #expect(found.filter { $0 == message.bytes }.count == 1, "\(place)")
        }
        #expect(found.contains { $0.hasPrefix("Subject: old") }, "\(place)")
        if isFollowed {
          #expect(found.contains { $0.hasSuffix("foreign\r\n") }, "\(place)")
        } else {
          #expect(found.count == 4, "\(place)")
        }
      }
    }
  }
}

/// Ends the process when the target is done and the journal does not know yet.
private final class CrashAfterLanding: PullTarget {
  private let inner: any PullTarget
  var name: String { inner.name }
  var traits: PullTargetTraits { inner.traits }
  init(_ inner: any PullTarget) { self.inner = inner }
  func prepare() async throws { try await inner.prepare() }
  func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] { try await inner.recover(entries) }
  func openBatch() async throws -> any PullBatch { Batch(try await inner.openBatch()) }
  func openStream(octets: Int64) async throws -> any PullStream { try await inner.openStream(octets: octets) }
  func close() async {}

  private final class Batch: PullBatch {
    private let inner: any PullBatch
    init(_ inner: any PullBatch) { self.inner = inner }
    func add(_ messages: [PullContent]) async throws -> [Fingerprint] { try await inner.add(messages) }
    func plan() async throws -> [String] { try await inner.plan() }
    func discard() async {}
    func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
      _ = try await inner.land(settled)
      throw Crash()
    }
  }
}

/// A folder as it was.
private struct Saved {
  private let folder: String
  private var files: [String: Data] = [:]

  init(_ folder: String) throws {
    self.folder = folder
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      files[name] = try Data(contentsOf: URL(fileURLWithPath: folder + "/" + name))
    }
  }

  func restore() throws {
    for name in try FileManager.default.contentsOfDirectory(atPath: folder) {
      try FileManager.default.removeItem(atPath: folder + "/" + name)
    }
    for (name, data) in files { try data.write(to: URL(fileURLWithPath: folder + "/" + name)) }
  }
}
