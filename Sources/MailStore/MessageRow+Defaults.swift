public import NIOCore

/// For engines that have nothing better.
extension MessageRow {
  public func withTrace<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    let trace = trace
    return try body(trace.readableBytesSpan)
  }

  public var messageSize: Int { size - trace.readableBytes }

  public func appendMessage(to buffer: inout ByteBuffer) throws(StoreError) {
    try withMessage { message throws(StoreError) in message.withUnsafeBytes { _ = buffer.writeBytes($0) } }
  }
}
