import LocalMail
import NIOCore
import NIOPosix
import Synchronization

/// One message of a batch that is held until it lands.
struct HeldMessage: Sendable {
  var content: HeldContent
  var fingerprint: Fingerprint
}

/// A target that takes a batch as a whole.
protocol HeldLanding: Sendable {
  func plan(_ messages: [HeldMessage]) async throws -> [String]
  /// - plan: what `plan` gave.
  func land(
    _ messages: [HeldMessage], plan: [String], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome]
}

extension HeldLanding {
  /// Nothing to find again.
  func plan(_ messages: [HeldMessage]) async throws -> [String] { messages.map { _ in "" } }
}

/// A batch kept in memory (its large messages in files without names) until it lands: for targets that take whole messages.
final class HeldBatch: PullBatch {
  private let messages = Mutex<[HeldMessage]>([])
  private let places = Mutex<[String]>([])
  private let lander: any HeldLanding

  init(_ lander: any HeldLanding) { self.lander = lander }

  func add(_ contents: [PullContent]) async throws -> [Fingerprint] {
    var held: [HeldMessage] = []
    held.reserveCapacity(contents.count)
    for content in contents {
      switch content {
      case .whole(let bytes):
        held.append(HeldMessage(content: .whole(bytes), fingerprint: Fingerprint(of: bytes)))
      case .stream(let stream):
        guard let message = (stream as? SpoolStream)?.take() else {
          throw PullError(.impossible("a stream of another target"), account: "")
        }
        held.append(message)
      }
    }
    messages.withLock { $0 += held }
    return held.map(\.fingerprint)
  }

  func plan() async throws -> [String] {
    let plan = try await lander.plan(messages.withLock { $0 })
    places.withLock { $0 = plan }
    return plan
  }

  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
    let held = messages.withLock { $0 }
    return try await lander.land(held, plan: places.withLock { $0 }, settled)
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
