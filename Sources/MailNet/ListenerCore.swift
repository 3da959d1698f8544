import Logging
import NIOCore
import Synchronization

/// What a listener's connections share with it.
final class ListenerCore: Sendable {
  let settings: ListenerSettings
  let tls: TLSContexts?
  let limiter: ConnectionLimiter
  let logger: Logger
  let makeSession: @Sendable (Connection) -> any ConnectionSession
  /// Opens when the listener is closed and its last connection gone.
  let finished = Latch()

  struct State {
    var isDraining = false
    var channelIsOpen = false
    var connections: [UInt64: Connection] = [:]
  }
  let state = Mutex(State())
  private let loops: [ObjectIdentifier: LoopResources]

  init(
    settings: ListenerSettings, tls: TLSContexts?, limiter: ConnectionLimiter, group: any EventLoopGroup,
    logger: Logger,
    makeSession: @escaping @Sendable (Connection) -> any ConnectionSession
  ) {
    self.settings = settings
    self.tls = tls
    self.limiter = limiter
    self.logger = logger
    self.makeSession = makeSession
    var loops: [ObjectIdentifier: LoopResources] = [:]
    for loop in group.makeIterator() { loops[ObjectIdentifier(loop)] = .of(loop) }
    self.loops = loops
  }

  func resources(of loop: any EventLoop) -> LoopResources {
    loops[ObjectIdentifier(loop)] ?? .of(loop)
  }

  /// False: the server is going down.
  func connectionBegan(_ connection: Connection) -> Bool {
    state.withLock { state in
      guard !state.isDraining else { return false }
      state.connections[connection.id] = connection
      return true
    }
  }

  func connectionEnded(_ connection: Connection) {
    let (known, last) = state.withLock { state in
      let known = state.connections.removeValue(forKey: connection.id) != nil
      return (known, state.isDraining && !state.channelIsOpen && state.connections.isEmpty)
    }
    if known { limiter.release(connection.peer) }
    if last { finished.open(.success(())) }
  }

  var connections: [Connection] { state.withLock { Array($0.connections.values) } }
}
