import Foundation
import LocalMail
import MailClient
import MailTestKit
import NIOCore
import NIOPosix
import Synchronization

@testable import MailPull

/// A server, a home and a state folder; runs that may end anywhere, and others that go on from there.
final class PullBench: Sendable {
  let server: FakeServer
  let home: FakeHome
  let faults: Faults
  let folder: String
  let clock = TestClock()
  let slept = Mutex<[Duration]>([])
  let events = Mutex<[JobEvent]>([])

  init(_ messages: [FakeServer.Message] = [], recovers: Bool = true) {
    faults = Faults()
    server = FakeServer(messages, faults: faults)
    home = FakeHome(recovers: recovers, faults: faults)
    folder = temporaryFolder()
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  var time: PullTime {
    PullTime(
      now: { [clock] in clock.now }, elapsed: { [clock] in .seconds(clock.now) },
      sleep: { [self] pause in slept.withLock { $0.append(pause) } }, random: { 1 })
  }

  func journal() async throws -> PullJournal {
    let seam = JournalSeam(
      before: { [faults] in try faults.step("journal") }, after: { [faults] in try faults.step("journalled") })
    return try await PullJournal.open(
      folder: folder, account: "pop3://ana@fake", target: "fake:home", threads: .singleton, seam: seam)
  }

  /// One process: opens the journal, runs, ends.
  @discardableResult
  func run(
    _ options: PullOptions = PullOptions(), target: (any PullTarget)? = nil, knowledge: (any DropKnowledge)? = nil
  ) async throws -> PullReport {
    let journal = try await journal()
    let pull = POP3Pull(
      account: "ana", connector: server, target: target ?? home, journal: journal, options: options,
      knowledge: knowledge, time: time, report: { [self] event in events.withLock { $0.append(event) } })
    let report = await pull.run()
    await journal.close()
    return report
  }

  func lines() async throws -> [JournalLine] {
    let journal = try await journal()
    let lines = try await journal.lines()
    await journal.close()
    return lines
  }
}

/// In memory where there is such a place: these tests sync thousands of times, and prove order, not disks.
func temporaryFolder() -> String {
  let memory = "/dev/shm"
  let base =
    FileManager.default.isWritableFile(atPath: memory) ? memory : FileManager.default.temporaryDirectory.path
  let path = base + "/merpati-pull-\(UUID().uuidString)"
  try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  return path
}

extension PullOptions {
  static func with(_ policy: PullPolicy, batch: Int = PullLimits.batchMessages) -> PullOptions {
    var options = PullOptions()
    options.policy = policy
    options.batchMessages = batch
    return options
  }
}
