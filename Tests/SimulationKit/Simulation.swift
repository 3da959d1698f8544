import MailStore
public import MailStoreMemory
import NIOCore
import NIOPosix
import SASL

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Plays a script against SQLite and against the model, step by step, and compares every answer and, now and then and at
/// the end, everything there is.
public final class Simulation: Sendable {
  /// What both sides said, up to the first difference.
  public struct Difference: Sendable {
    /// The step that showed it, by its place in the script; the number of steps if the end did.
    public var step: Int
    public var sqlite: String
    public var model: String
  }

  public enum Outcome: Sendable {
    case equal
    case differs(Difference)
  }

  /// Steps between two comparisons of everything.
  public static let compareEvery = 250

  private let groups: [MultiThreadedEventLoopGroup]
  private let credentials: String
  private let fault: MemoryFault?
  private let root: String

  /// - Parameter fault: what the model is to do wrong, to see it found.
  public init(fault: MemoryFault? = nil) throws {
    self.fault = fault
    groups = (0..<2).map { _ in MultiThreadedEventLoopGroup(numberOfThreads: 1) }
    credentials = try Credentials.make(password: Array(World.password.utf8), iterations: 1000).stored
    // In memory where there is such a place: what a disk does to a store is another test's business.
    root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
  }

  public func close() async {
    for group in groups { try? await group.shutdownGracefully() }
  }

  /// `didStep` hears of every step that was answered alike, and of the answer.
  public func run(
    _ script: SimulationScript, didStep: (SimulationScript.Step, String) -> Void = { _, _ in }
  ) async throws -> Outcome {
    var template = Array("\(root)/merpati-simulation-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw ScriptError("no folder in \(root)") }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { Self.removeTree(folder) }
    for name in ["sqlite", "model"] { mkdir("\(folder)/\(name)", 0o700) }
    let sqlite = try await World.start(
      .sqlite, script, folder: "\(folder)/sqlite", group: groups[0], credentials: credentials)
    let model = try await World.start(
      .memory(fault), script, folder: "\(folder)/model", group: groups[1], credentials: credentials)
    let outcome: Outcome
    do { outcome = try await compare(sqlite, model, script, didStep) } catch {
      await sqlite.stop()
      await model.stop()
      throw error
    }
    await sqlite.stop()
    await model.stop()
    return outcome
  }

  private func compare(
    _ sqlite: World, _ model: World, _ script: SimulationScript, _ didStep: (SimulationScript.Step, String) -> Void
  ) async throws -> Outcome {
    for (index, step) in script.steps.enumerated() {
      var answer = ""
      if let difference = await differ(index, step, sqlite, model, { answer = $0 }) { return .differs(difference) }
      didStep(step, answer)
      let isDue = step == .compare || step == .reopen || index % Self.compareEvery == Self.compareEvery - 1
      if isDue, let difference = await compareAll(index, sqlite, model) { return .differs(difference) }
    }
    if let difference = await compareAll(script.steps.count, sqlite, model) { return .differs(difference) }
    return .equal
  }

  private func differ(
    _ index: Int, _ step: SimulationScript.Step, _ sqlite: World, _ model: World,
    _ heard: (String) -> Void = { _ in }
  ) async -> Difference? {
    let left = await Self.said(sqlite, step)
    let right = await Self.said(model, step)
    let isOurs = ["Internal error", "[SERVERBUG]", "[CORRUPTION]", "[SYS/", "no answer"].contains { left.contains($0) }
    heard(left)
    return left == right && !isOurs ? nil : Difference(step: index, sqlite: left, model: right)
  }

  private func compareAll(_ index: Int, _ sqlite: World, _ model: World) async -> Difference? {
    if let difference = await differ(index, .compare, sqlite, model) { return difference }
    do {
      let problems = try await sqlite.store.check().problems
      guard !problems.isEmpty else { return nil }
      return Difference(step: index, sqlite: "check: \(problems.joined(separator: "; "))\r\n", model: "clean\r\n")
    } catch { return Difference(step: index, sqlite: "check: \(error)\r\n", model: "clean\r\n") }
  }

  private static func said(_ world: World, _ step: SimulationScript.Step) async -> String {
    do { return try await world.perform(step) } catch is Peer.Hang { return "no answer\r\n" } catch {
      return "error: \(error)\r\n"
    }
  }

  private static func removeTree(_ path: String) {
    guard let directory = opendir(path) else {
      unlink(path)
      return
    }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if name != ".", name != ".." { removeTree("\(path)/\(name)") }
    }
    closedir(directory)
    rmdir(path)
  }
}
