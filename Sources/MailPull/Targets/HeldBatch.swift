public import LocalMail
import NIOCore
import NIOPosix
import Synchronization

/// One message of a batch that is held until it lands.
public struct HeldMessage: Sendable {
  public var content: HeldContent
  public var fingerprint: Fingerprint
}

/// A target that takes a batch as a whole.
protocol HeldLanding: Sendable {
  func plan(_ messages: [HeldMessage]) async throws -> [String]
  func land(
    _ messages: [HeldMessage], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome]
}

extension HeldLanding {
  /// Nothing to find again.
  func plan(_ messages: [HeldMessage]) async throws -> [String] { messages.map { _ in "" } }
}

/// A batch kept in memory (its large messages in files without names) until it lands: for targets that take whole messages.
final class HeldBatch: PullBatch {
  private let messages = Mutex<[HeldMessage]>([])
  private let lander: any HeldLanding

  init(_ lander: any HeldLanding) { self.lander = lander }

  func add(_ message: ByteBuffer) async throws -> Fingerprint {
    var stream = FingerprintStream()
    stream.update(message)
    let fingerprint = stream.finish()
    messages.withLock { $0.append(HeldMessage(content: .whole(message), fingerprint: fingerprint)) }
    return fingerprint
  }

  func add(_ stream: any PullStream) async throws {
    guard let held = (stream as? SpoolStream)?.take() else {
      throw PullError(.impossible("a stream of another target"), account: "")
    }
    messages.withLock { $0.append(held) }
  }

  func plan() async throws -> [String] { try await lander.plan(messages.withLock { $0 }) }

  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
    let held = messages.withLock { $0 }
    return try await lander.land(held, settled)
  }

  func discard() async { messages.withLock { $0.removeAll() } }
}

/// A large message on its way into a file without a name.
final class SpoolStream: PullStream {
  private struct State {
    var fingerprint = FingerprintStream()
    var finished: HeldMessage?
  }

  private let file: SpooledMessage
  private let threads: NIOThreadPool
  private let state = Mutex(State())

  private init(file: SpooledMessage, threads: NIOThreadPool) {
    self.file = file
    self.threads = threads
  }

  static func open(folder: String, threads: NIOThreadPool) async throws -> SpoolStream {
    let file = try await threads.runIfActive { try SpooledMessage(folder: folder) }
    return SpoolStream(file: file, threads: threads)
  }

  func append(_ bytes: ByteBuffer) async throws {
    try await threads.runIfActive { [self] in
      state.withLock { $0.fingerprint.update(bytes) }
      try file.append(bytes)
    }
  }

  func finish() async throws -> Fingerprint {
    state.withLock { state in
      let fingerprint = state.fingerprint.finish()
      state.fingerprint = FingerprintStream()
      state.finished = HeldMessage(content: .spooled(file), fingerprint: fingerprint)
      return fingerprint
    }
  }

  func take() -> HeldMessage? { state.withLock { $0.finished } }

  /// The file goes with its last holder.
  func discard() async {}
}
