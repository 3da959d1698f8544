public import NIOCore
import Synchronization

/// One connection, on one event loop. Every method and property that changes must be used on `eventLoop`; a debug build
/// stops when it isn't.
///
/// `@unchecked Sendable`: all mutable state is confined to `eventLoop`. The channel handler and the timer call in from
/// there, sessions are called there, and the entry points for other threads (`Listener`) go through `eventLoop.execute`.
public final class Connection: @unchecked Sendable {
  public let eventLoop: any EventLoop
  /// Unique in this process; for logs.
  public let id: UInt64
  public let peer: PeerAddress

  /// Outgoing bytes. Append to it; what is there is written at the end of a read burst, after every other call to the
  /// session, or by `flush()`.
  public var out = ByteBuffer()
  /// Octets the session has been given, and has sent; TLS and what it adds are not counted.
  public internal(set) var bytesIn = 0
  public internal(set) var bytesOut = 0
  /// The host name the client asked for in TLS (SNI), in lower case. At most 255 octets, no control characters.
  public internal(set) var serverName: String?
  /// Of a certificate that the client has shown and that `TLSSettings.clientAuthorities` vouch for.
  public internal(set) var certificateNames: CertificateNames?
  /// `TLSv1.2` or `TLSv1.3`; nil without TLS.
  public internal(set) var tlsVersion: String?

  /// Logins that failed on this connection; kept here for `Authenticator`.
  public var loginFailures = 0

  struct Flags: OptionSet {
    let rawValue: UInt16
    /// The session has been made and called.
    static let opened = Flags(rawValue: 1 << 0)
    static let paused = Flags(rawValue: 1 << 1)
    /// The socket itself is left unread.
    static let autoReadOff = Flags(rawValue: 1 << 2)
    /// `resumeReading` was called: what is left goes to the session again.
    static let redeliver = Flags(rawValue: 1 << 3)
    /// The peer has ended its side.
    static let inputEnded = Flags(rawValue: 1 << 4)
    /// `startTLS` was called during a session's turn.
    static let tlsRequested = Flags(rawValue: 1 << 5)
    static let handshaking = Flags(rawValue: 1 << 6)
    static let tls = Flags(rawValue: 1 << 7)
    /// `close` was called.
    static let closing = Flags(rawValue: 1 << 8)
    /// Our last byte has been handed over; nothing goes in or out any more.
    static let outputEnded = Flags(rawValue: 1 << 9)
    /// The channel is gone.
    static let inactive = Flags(rawValue: 1 << 10)
    /// The session has heard `closed`.
    static let ended = Flags(rawValue: 1 << 11)
    /// Work after a session's turn is scheduled.
    static let scheduled = Flags(rawValue: 1 << 12)
    /// TLS is not to say `tlsStarted` but `opened`.
    static let implicitTLS = Flags(rawValue: 1 << 13)
    /// Bytes are being given to the session.
    static let delivering = Flags(rawValue: 1 << 14)
    /// Our last bytes wait for the socket.
    static let draining = Flags(rawValue: 1 << 15)
  }

  let core: ListenerCore
  let resources: LoopResources
  var flags: Flags = []
  /// Calls to the session that are on the stack (0 or 1).
  var depth = 0
  /// The socket, once it was waited for; else negative. Of use only while the channel is active.
  var socket: CInt = -1
  var session: (any ConnectionSession)?
  var context: ChannelHandlerContext?
  var inbound = ByteBuffer()
  var reason: CloseReason?
  var waiters: [CheckedContinuation<Bool, Never>] = []
  var timer = ConnectionTimer()
  /// See `startCompression`.
  var compression: CompressionLayer?

  private static let ids = Atomic<UInt64>(0)

  init(core: ListenerCore, peer: PeerAddress, eventLoop: any EventLoop) {
    self.core = core
    self.peer = peer
    self.eventLoop = eventLoop
    self.id = Self.ids.wrappingAdd(1, ordering: .relaxed).newValue
    self.resources = core.resources(of: eventLoop)
    if core.settings.implicitTLS { flags.insert(.implicitTLS) }
  }

  /// The name of the listener it came in by.
  public var listenerName: String { core.settings.name }
  public var isTLS: Bool { flags.contains(.tls) }
  /// STARTTLS can be offered: there is a certificate, and no TLS yet.
  public var canStartTLS: Bool { core.tls != nil && flags.isDisjoint(with: [.tls, .handshaking, .tlsRequested]) }
  /// For actors that live on this connection's loop.
  public var executor: UnownedSerialExecutor { resources.taskExecutor.asUnownedSerialExecutor() }
  /// For `Task(executorPreference:)`.
  public var taskExecutor: LoopTaskExecutor { resources.taskExecutor }
  /// The peer has ended its side (FIN); what it sent before is still answered.
  public var inputEnded: Bool { flags.contains(.inputEnded) }
  /// Closing or closed: nothing written now arrives.
  public var isClosing: Bool { !flags.isDisjoint(with: [.closing, .outputEnded, .inactive]) }

  // MARK: Input

  /// Stops giving bytes to the session (while a command runs). The socket is left unread once
  /// `NetLimits.pausedInput` octets wait; until then the end of the connection is still noticed.
  ///
  /// A peer that has ended its side is disconnected when its session has consumed what it can and is not paused.
  public func pauseReading() {
    eventLoop.assertInEventLoop()
    flags.insert(.paused)
    flags.remove(.redeliver)
  }

  /// Gives bytes to the session again; those left are given after the session's turn.
  public func resumeReading() {
    eventLoop.assertInEventLoop()
    guard flags.contains(.paused) else { return }
    flags.remove(.paused)
    flags.insert(.redeliver)
    if flags.contains(.autoReadOff) { setAutoRead(true) }
    if out.readableBytes == 0, out.storageCapacity > 0 { resources.giveBack(&out) }
    guard !flags.contains(.delivering) else { return }
    if inbound.readableBytes > 0 || flags.contains(.inputEnded) || compression?.hasMore == true { scheduleTurn() }
  }

  // MARK: Quiet

  /// Calls `work` on the loop in a second at most, together with that of the loop's other connections: there is one timer
  /// for all. `work` must find out itself whether it still is due.
  public func whenQuiet(_ work: @escaping () -> Void) {
    eventLoop.assertInEventLoop()
    resources.whenQuiet(work)
  }

  // MARK: Deadline

  /// One deadline; setting replaces it, nil removes it.
  public func setDeadline(_ after: TimeAmount?) {
    eventLoop.assertInEventLoop()
    timer.session = after.map { .now() + $0 }
    rearm()
  }

  // MARK: End

  /// Sends what is in `out`, then starts TLS. Bytes that have come and are not consumed close the connection: they were
  /// sent outside TLS by someone who wants them read as if inside (RFC 9051 §11.1, RFC 2595 §2.1).
  public func startTLS() {
    eventLoop.assertInEventLoop()
    guard canStartTLS, !isClosing else { return }
    flags.insert(.tlsRequested)
    if depth == 0 { scheduleTurn() }
  }

  /// Sends what is in `out`, then closes. The session hears `closed(.local)`.
  public func close() {
    eventLoop.assertInEventLoop()
    guard !isClosing else { return }
    if reason == nil { reason = .local }
    flags.insert(.closing)
    if depth == 0 { scheduleTurn() }
  }
}
