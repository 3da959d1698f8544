import LocalMail
import POP3Client
import Testing

@testable import MailPull

/// The rule of the house: cut or crash at any step, run again, and every message is at home exactly once, and on the server
/// is what the policy says.
@Suite(.timeLimit(.minutes(5)))
struct FaultTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var options: PullOptions
    var adapt: @Sendable (inout FakeServer.State) -> Void = { _ in }
    /// What is on the server in the end.
    var isEmptied = true
    var testDescription: String { name }

    static let all: [Case] = [
      Case(name: "delete", options: .with(.delete, batch: 5)),
      Case(name: "keep", options: .with(.keep, batch: 5), isEmptied: false),
      Case(
        name: "delete in steps",
        options: {
          var options = PullOptions.with(.delete, batch: 3)
          options.commitEvery = 5
          return options
        }()),
      Case(
        name: "no UIDL", options: .with(.delete, batch: 5),
        adapt: { state in
          state.capabilities.uidl = false
          for index in state.messages.indices { state.messages[index].uidl = nil }
        }),
      Case(
        name: "no UIDL, keep", options: .with(.keep, batch: 5),
        adapt: { state in for index in state.messages.indices { state.messages[index].uidl = nil } }, isEmptied: false),
      Case(
        name: "repeated UIDL", options: .with(.delete, batch: 5),
        adapt: { state in for index in state.messages.indices { state.messages[index].uidl = "u\(index / 3)" } }),
      Case(
        name: "UIDLs of every session are others", options: .with(.delete, batch: 5),
        adapt: { $0.renumbers = true }),
      Case(
        name: "UIDLs of every session are others, keep", options: .with(.keep, batch: 5),
        adapt: { $0.renumbers = true }, isEmptied: false),
      Case(
        name: "UIDLs are numbers", options: .with(.delete, batch: 5),
        adapt: { state in for index in state.messages.indices { state.messages[index].uidl = "\(index + 1)" } }),
      Case(
        name: "EXPIRE 0", options: .with(.delete, batch: 5),
        adapt: { state in
          state.capabilities.expireDays = 0
          state.retrievalDeletes = true
        }),
      Case(
        name: "EXPIRE 0, keep", options: .with(.keep, batch: 5),
        adapt: { state in
          state.capabilities.expireDays = 0
          state.retrievalDeletes = true
        }, isEmptied: false),
      Case(
        name: "large ones", options: .with(.delete, batch: 5), adapt: { $0.wholeOctets = 40 }),
    ]
  }

  private func bench(_ test: Case) -> PullBench {
    let bench = PullBench(FakeServer.twelve())
    bench.server.set { test.adapt(&$0) }
    return bench
  }

  /// Runs until nothing stops a run any more; at most `runs`.
  private func settle(_ bench: PullBench, _ test: Case, runs: Int = 4) async throws {
    bench.faults.disarm()
    for _ in 0..<runs {
      let report = try await bench.run(test.options)
      if report.stopped == nil { return }
    }
    Issue.record("\(test.name): still stopped after \(runs) runs")
  }

  private func check(_ bench: PullBench, _ test: Case, _ expected: [String], _ where: String) {
    #expect(bench.home.texts == expected, "\(test.name), \(`where`): at home")
    #expect(bench.server.bodies == (test.isEmptied ? [] : expected), "\(test.name), \(`where`): on the server")
  }

  @Test(arguments: Case.all)
  func `A crash at any step loses nothing and brings nothing twice`(_ test: Case) async throws {
    let probe = bench(test)
    let expected = probe.server.bodies
    probe.faults.arm(.crash, at: nil)
    _ = try await probe.run(test.options)
    let steps = probe.faults.count
    let log = probe.faults.log
    check(probe, test, expected, "no fault")
    #expect(steps > 30)
    for step in 1...steps {
      let bench = bench(test)
      bench.faults.arm(.crash, at: step)
      if let report = try? await bench.run(test.options) {
        // Where the crash was swallowed, nothing hung on that step.
        if report.stopped == nil { check(bench, test, expected, "crash at \(step) \(log[step - 1]), not noticed") }
      }
      try await settle(bench, test)
      check(bench, test, expected, "crash at \(step) \(log[step - 1])")
    }
  }

  @Test(arguments: Case.all)
  func `A line cut at any step is mended within the run`(_ test: Case) async throws {
    let probe = bench(test)
    let expected = probe.server.bodies
    probe.faults.arm(.cut, at: nil)
    _ = try await probe.run(test.options)
    let log = probe.faults.log
    for step in 1...probe.faults.count {
      let bench = bench(test)
      bench.faults.arm(.cut, at: step)
      let report = try await bench.run(test.options)
      let place = "cut at \(step) \(log[step - 1])"
      #expect(report.stopped == nil, "\(test.name), \(place)")
      check(bench, test, expected, place)
      #expect(report.landed == 12, "\(test.name), \(place): counted")
      if test.isEmptied { #expect(report.deleted == 12, "\(test.name), \(place): deletions counted") }
      let again = try await bench.run(test.options)
      #expect((again.landed, again.failed) == (0, 0), "\(test.name), \(place): run again")
      check(bench, test, expected, "\(place), run again")
    }
  }

  @Test(arguments: Case.all)
  func `Crashes again and again, anywhere, only take time`(_ test: Case) async throws {
    for seed in 1...10 {
      let bench = bench(test)
      let expected = bench.server.bodies
      for attempt in 0..<200 {
        bench.faults.arm(seed: UInt64(seed * 1000 + attempt), oneIn: 25)
        if let report = try? await bench.run(test.options), report.stopped == nil { break }
      }
      try await settle(bench, test)
      check(bench, test, expected, "seed \(seed)")
    }
  }

  @Test func `With a target that can't be asked, a crash leaves at most one message in doubt, on the server`()
    async throws
  {
    var options = PullOptions.with(.delete, batch: 5)
    let probe = PullBench(FakeServer.twelve(), recovers: false)
    let expected = probe.server.bodies
    probe.faults.arm(.crash, at: nil)
    _ = try await probe.run(options)
    let log = probe.faults.log
    for step in 1...log.count {
      let bench = PullBench(FakeServer.twelve(), recovers: false)
      bench.faults.arm(.crash, at: step)
      _ = try? await bench.run(options)
      bench.faults.disarm()
      let report = try await bench.run(options)
      let place = "crash at \(step) \(log[step - 1])"
      #expect(report.failed <= 1, "\(place)")
      // Nothing is lost, and nothing is there twice.
      let home = bench.home.texts
      let left = bench.server.bodies
      #expect(left.count == report.failed, "\(place)")
      if home != expected { #expect((home + left).sorted() == expected, "\(place)") }
      options.deliversDoubtfulAgain = true
      let last = try await bench.run(options)
      options.deliversDoubtfulAgain = false
      #expect(last.isComplete, "\(place)")
      #expect(bench.server.bodies.isEmpty, "\(place)")
      // At least once, and twice only what was in doubt.
      #expect(bench.home.texts.count <= 13, "\(place)")
      #expect(Set(bench.home.texts) == Set(expected), "\(place)")
    }
  }

  @Test func `No space at home stops the run and loses nothing`() async throws {
    let bench = PullBench(FakeServer.twelve())
    let expected = bench.server.bodies
    let full = FullHome(bench.home, room: 7)
    let report = try await bench.run(.with(.delete, batch: 3), target: full)
    guard case .noSpace = report.stopped?.kind else {
      Issue.record("\(String(describing: report.stopped))")
      return
    }
    #expect(report.landed == 6)
    #expect(bench.server.bodies == expected)
    let second = try await bench.run(.with(.delete, batch: 3))
    #expect((second.landed, second.alreadyThere, second.deleted) == (6, 6, 12))
    #expect(bench.home.texts == expected)
  }
}
