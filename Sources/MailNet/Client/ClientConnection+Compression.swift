public import NIOCore
import Synchronization

extension ClientConnection {
  /// DEFLATE both ways from here on (RFC 4978). What came behind the server's OK must be handed back as `pending`.
  public func startCompression(pending: ByteBuffer) async throws(ClientError) {
    let isReady = deflater.withLock { kept in
      kept = kept ?? Deflater()
      return kept != nil
    }
    let hasBegun = inflater.withLock { kept in
      guard isReady, kept == nil, let made = Inflater() else { return false }
      made.feed(pending)
      kept = made
      return true
    }
    guard hasBegun else { throw failure(.unsupported("compression here: zlib did not start, or runs already")) }
    // What was handed over as plain is not.
    session.withLock { $0.received -= Int64(pending.readableBytes) }
    isCompressed.store(true, ordering: .releasing)
  }

  /// The next piece of what the server said.
  func inflated(within limit: Duration) async throws(ClientError) -> ByteBuffer? {
    while true {
      let (piece, isDamaged) = inflater.withLock { kept -> (ByteBuffer?, Bool) in
        guard let kept else { return (nil, true) }
        let piece = kept.next()
        return (piece, piece == nil && kept.isDamaged)
      }
      if let piece { return piece }
      if isDamaged { throw failure(.protocolViolation("what it sends is no DEFLATE stream")) }
      guard let more = try await wireBytes(within: limit) else { return nil }
      inflater.withLock { $0?.feed(more) }
    }
  }

  /// The order of what is compressed is the order of what is sent: both under one lock.
  func deflateAndPut(_ bytes: ByteBuffer) throws(ClientError) -> ClientPipe.Put {
    let put: ClientPipe.Put? = deflater.withLock { kept in
      kept?.deflate(bytes).map { pipe.put($0) }
    }
    guard let put else { throw failure(.protocolViolation("DEFLATE failed on this side")) }
    return put
  }
}
