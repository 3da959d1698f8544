public import MailClient
public import MailNet
public import NIOCore

/// An LMTP session (RFC 2033), used by one task.
public final class LMTPClient {
  init() {}

  /// Connects and says LHLO. `127.0.0.1:24`, `[::1]:24` or `unix:/path`.
  public static func connect(
    to address: ClientAddress, security: TransportSecurity, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async throws(ClientError) -> LMTPClient { fatalError() }

  /// One message to one recipient. MAIL, RCPT and DATA are pipelined. Bytes come from `body` until it gives nil; lines end
  /// in CRLF; dots are stuffed here. Returns the final reply's text; throws `.refused` with the reply code in `code`.
  public func deliver(
    from sender: String, to recipient: String, size: Int?, body: () async throws -> ByteBuffer?
  ) async throws -> String { fatalError() }

  public func quit() async { fatalError() }
}
