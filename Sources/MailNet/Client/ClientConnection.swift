public import NIOCore

/// A connection to a server, pulled by one task: `receive` hands over all that has come, and leaves the socket unread
/// while nobody asks.
public final class ClientConnection: Sendable {
  public let address: ClientAddress

  init(address: ClientAddress) { self.address = address }

  /// Connects (every address of the name in turn, IPv6 and IPv4), and makes the TLS handshake where it is implicit.
  public static func connect(
    to address: ClientAddress, security: TransportSecurity, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> ClientConnection { fatalError() }

  /// All bytes that have come since the last call, at least one; nil when the server has ended its side.
  /// - within: instead of `ClientTimeouts.silence`; `.timedOut` leaves the connection usable.
  public func receive(within: Duration? = nil) async throws(ClientError) -> ByteBuffer? { fatalError() }

  /// Hands bytes to the socket; suspends while more wait there than `NetLimits.outgoingHighWater`.
  public func send(_ bytes: ByteBuffer) async throws(ClientError) { fatalError() }

  /// The handshake of STARTTLS. Bytes received and not asked for yet end the connection (RFC 9051 §11.1).
  public func startTLS() async throws(ClientError) { fatalError() }

  /// DEFLATE both ways from here on (RFC 4978). What came behind the server's OK must be handed back as `pending`.
  public func startCompression(pending: ByteBuffer) async throws(ClientError) { fatalError() }

  /// Idempotent.
  public func close() async { fatalError() }

  public var counters: TransportCounters { fatalError() }
  /// `TLSv1.2`, `TLSv1.3`, nil without TLS.
  public var tlsVersion: String? { fatalError() }
  /// SHA-256 of the server's certificate (DER), nil without TLS.
  public var peerFingerprint: [UInt8]? { fatalError() }
  /// The other end is this machine.
  public var isLoopback: Bool { fatalError() }
}
