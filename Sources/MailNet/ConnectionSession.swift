public import NIOCore

/// What a protocol does with one connection. All calls come on the connection's event loop, never one inside another:
/// what a session asks of its connection during a call (close, resume, STARTTLS) happens after the call has returned.
///
/// A session is usually an actor whose executor is `Connection.executor`, entered by `assumeIsolated`.
public protocol ConnectionSession: AnyObject, Sendable {
  /// The connection is ready for the greeting; with implicit TLS the handshake is over.
  nonisolated func opened()
  /// All bytes that have come and are not consumed. The session consumes from the front what it can. It is called again
  /// with the rest and what has come since, and after `resumeReading()` when bytes are left. Never while reading is paused.
  nonisolated func received(_ buffer: inout ByteBuffer)
  /// A burst of `received` calls is over; what is in `out` is about to be flushed.
  nonisolated func readBurstEnded()
  /// The handshake that `startTLS()` began is complete; the next bytes are inside TLS.
  nonisolated func tlsStarted()
  /// What the client compresses cannot be read (RFC 4978): the connection ends, with what is said now.
  nonisolated func inputFailed(_ why: String)
  /// The deadline of `setDeadline(_:)` has passed. The connection does nothing by itself.
  nonisolated func deadlineReached()
  /// The server is going down: finish the running command, take leave, close.
  nonisolated func shutdownRequested()
  /// The last call, exactly once after `opened`.
  nonisolated func closed(_ why: CloseReason)
}

extension ConnectionSession {
  public nonisolated func readBurstEnded() {}
  public nonisolated func tlsStarted() {}
  public nonisolated func inputFailed(_ why: String) {}
}
