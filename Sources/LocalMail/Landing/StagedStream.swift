public import NIOCore
import NIOPosix
import Synchronization

/// A large message on its way into `tmp`. One task at a time.
public final class StagedStream: Sendable {
  private enum State {
    case writing(MessageFileWriter)
    /// Taken out by the call that works on it.
    case busy
    case failed(LocalMailError)
    case done
  }

  private let landing: MaildirLanding
  private let path: String
  private let unique: String
  private let message: IncomingMessage
  private let state: Mutex<State>
  private let pending = Mutex(ByteBuffer())

  init(_ landing: MaildirLanding, _ writer: MessageFileWriter, unique: String, message: IncomingMessage) {
    self.landing = landing
    self.unique = unique
    self.message = message
    path = writer.file.path
    state = Mutex(.writing(writer))
  }

  /// Small pieces are collected; a worker thread writes when `LocalMailLimits.streamBuffer` is reached.
  public func append(_ bytes: ByteBuffer) async throws {
    let full = pending.withLock { pending -> ByteBuffer? in
      var bytes = bytes
      pending.writeBuffer(&bytes)
      guard pending.readableBytes >= LocalMailLimits.streamBuffer else { return nil }
      return exchange(&pending, with: ByteBuffer())
    }
    guard let full else { return }
    try await landing.threads.runIfActive { try self.write(full) }
  }

  /// The octets so far are durable when it returns; a journal that keeps the result can go on with them in a later run.
  public func checkpoint() async throws -> Partial {
    let rest = takePending()
    return try await landing.threads.runIfActive {
      try self.write(rest)
      return try self.withWriter { writer throws(LocalMailError) in
        try writer.file.sync(dataOnly: true)
        try self.landing.disk.syncDirectory(self.path.parentDirectory)
        return writer.partial(temporaryPath: self.path, unique: self.unique)
      }
    }
  }

  public func finish() async throws -> StagedFile {
    let rest = takePending()
    return try await landing.threads.runIfActive {
      try self.write(rest)
      let staged = try self.withWriter { writer throws(LocalMailError) in
        try self.landing.finish(&writer, unique: self.unique, message: self.message)
      }
      self.state.withLock { $0 = .done }
      return staged
    }
  }

  /// Removes the file.
  public func discard() async {
    _ = takePending()
    let writer = state.withLock { state -> MessageFileWriter? in
      guard case .writing(let writer) = exchange(&state, with: .done) else { return nil }
      return writer
    }
    writer?.file.close()
    // A pool that is shut down removes nothing; the next run does (`removeTemporary`).
    try? await landing.threads.runIfActive { try self.landing.disk.unlink(self.path) }
  }

  private func takePending() -> ByteBuffer { pending.withLock { exchange(&$0, with: ByteBuffer()) } }

  private func write(_ bytes: ByteBuffer) throws(LocalMailError) {
    try withWriter { writer throws(LocalMailError) in
      try bytes.withUnsafeReadableBytes { bytes throws(LocalMailError) in try writer.write(bytes) }
    }
  }

  /// After an error the file is removed and every later call throws the same.
  private func withWriter<Value>(
    _ body: (inout MessageFileWriter) throws(LocalMailError) -> Value
  ) throws(LocalMailError) -> Value {
    var writer = try state.withLock { state throws(LocalMailError) in
      switch exchange(&state, with: .busy) {
      case .writing(let writer): return writer
      case .failed(let error):
        state = .failed(error)
        throw error
      case .busy, .done:
        state = .done
        throw LocalMailError(.malformed("the message is finished, or two tasks write it"), path: path)
      }
    }
    do throws(LocalMailError) {
      let value = try body(&writer)
      state.withLock { $0 = .writing(writer) }
      return value
    } catch {
      state.withLock { $0 = .failed(error) }
      writer.file.close()
      try? landing.disk.unlink(path)
      throw error
    }
  }
}
