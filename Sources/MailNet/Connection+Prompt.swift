import Glibc
import NIOCore

/// Waiting awake: see `PromptPeer`.
extension Connection {
  /// Whose next octets are not waited for: there is work to do for it, or nothing to come.
  private static let notAwaited: Flags = [
    .paused, .autoReadOff, .inputEnded, .tlsRequested, .handshaking, .closing, .outputEnded, .inactive, .scheduled,
  ]

  private var canBeAwaited: Bool { flags.isDisjoint(with: Self.notAwaited) && compression?.isYielding != true }

  /// At the end of a burst. The wait itself comes behind all that the loop has before it now: other sockets, tasks.
  func awaitIfPrompt() {
    resources.prompt.seen(id)
    guard canBeAwaited, resources.prompt.answered(id, sent: bytesOut, at: LoopResources.now()) else { return }
    let arrivals = resources.taskExecutor.arrivals
    eventLoop.execute { self.awaitAwake(arrivals) }
  }

  private func awaitAwake(_ arrivals: Int) {
    // An active channel has its socket open; and what waits for the socket to take it must not wait for us.
    guard canBeAwaited, let context, context.channel.isActive, waitingOctets == 0 else { return }
    if socket < 0 {
      let found = try? context.pipeline.syncOperations.withUnsafeTransportIfAvailable(of: CInt.self) { $0 }
      guard let found else { return }
      socket = found
    }
    resources.awaitAwake(id, socket, arrivals: arrivals)
  }
}

extension LoopResources {
  /// Waits until the socket can be read or has ended, a moment at most, and no longer than until a task comes to the
  /// loop: the results others wait for come as tasks. Where others' work has come before it, it may be over when it
  /// begins; then it looks once.
  func awaitAwake(_ id: UInt64, _ socket: CInt, arrivals: Int, clock: () -> UInt64 = LoopResources.now) {
    guard let end = prompt.end(for: id) else { return }
    var set = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
    repeat {
      guard taskExecutor.arrivals == arrivals else { return }
      let ready = poll(&set, 1, 0)
      if ready > 0 { return prompt.waited(paid: true) }
      // EINTR, or the kernel has no memory: the loop itself will see.
      guard ready == 0 else { return }
    } while clock() < end
    prompt.waited(paid: false)
  }

  static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }
}
