import Foundation
import MailNet
import NIOCore

/// One request on the control socket. The socket's file mode is what lets only the server's user in.
actor ControlSession: ConnectionSession {
  /// What a connection over a limit hears.
  static let refusal =
    #"{"failure":{"code":75,"sentence":"the server takes no more commands at the moment; try again"}}"# + "\n"

  /// Longest request line.
  static let maximumLine = 1 << 20

  private enum State {
    case request
    case chunkLength(MessageIntake)
    case chunk(MessageIntake, left: Int)
    case busy
    case done
  }

  private let connection: Connection
  private let administration: Administration
  private let deliveries: LocalDeliveries
  private var state = State.request
  private var isClosed = false

  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }

  init(connection: Connection, administration: Administration, deliveries: LocalDeliveries) {
    self.connection = connection
    self.administration = administration
    self.deliveries = deliveries
  }

  nonisolated func opened() {}
  nonisolated func deadlineReached() {}
  nonisolated func shutdownRequested() {
    assumeIsolated { session in
      if case .request = session.state { session.connection.close() }
    }
  }
  nonisolated func closed(_ why: CloseReason) {
    assumeIsolated { session in
      switch session.state {
      case .chunkLength(let intake), .chunk(let intake, _): Task { await intake.discard() }
      default: break
      }
      session.isClosed = true
      session.state = .done
    }
  }

  nonisolated func received(_ buffer: inout ByteBuffer) {
    // The buffer cannot cross into the closure while it is inout: take it, give back what is left.
    var bytes = buffer
    buffer = ByteBuffer()
    bytes = assumeIsolated { session in
      var bytes = bytes
      session.consume(&bytes)
      return bytes
    }
    buffer = bytes
  }

  private func consume(_ buffer: inout ByteBuffer) {
    while true {
      switch state {
      case .busy, .done: return
      case .request:
        guard let line = Self.line(&buffer) else {
          if buffer.readableBytes > Self.maximumLine { fail(ControlFailure(.data, "the request is too long")) }
          return
        }
        begin(line)
      case .chunkLength(let intake):
        guard let line = Self.line(&buffer) else { return }
        guard let length = Int(String(buffer: line)), (0...(16 << 20)).contains(length) else {
          state = .busy
          Task { await intake.discard() }
          return fail(ControlFailure(.data, "a chunk's length was expected"))
        }
        if length == 0 { finish(intake) } else { state = .chunk(intake, left: length) }
      case .chunk(let intake, let left):
        guard let bytes = buffer.readSlice(length: min(left, buffer.readableBytes)), bytes.readableBytes > 0 else {
          return
        }
        take(bytes, intake, left - bytes.readableBytes)
      }
    }
  }

  private static func line(_ buffer: inout ByteBuffer) -> ByteBuffer? {
    guard let end = buffer.readableBytesView.firstIndex(of: 0x0A) else { return nil }
    let line = buffer.readSlice(length: end - buffer.readerIndex)
    buffer.moveReaderIndex(forwardBy: 1)
    return line
  }

  private func begin(_ line: ByteBuffer) {
    let request: ControlRequest
    do { request = try JSONDecoder().decode(ControlRequest.self, from: Data(line.readableBytesView)) } catch {
      return fail(ControlFailure(.data, "the request is not understood; are server and command of one version?"))
    }
    run {
      if case .deliver(let delivery) = request {
        await self.expect(self.deliveries.begin(delivery), left: 0)
        return nil
      }
      return try await self.administration.perform(request)
    }
  }

  private func take(_ bytes: ByteBuffer, _ intake: MessageIntake, _ left: Int) {
    run {
      await intake.append(bytes)
      await self.expect(intake, left: left)
      return nil
    }
  }

  /// More is wanted, unless the sender has gone away meanwhile.
  private func expect(_ intake: MessageIntake, left: Int) async {
    if isClosed { return await intake.discard() }
    state = left == 0 ? .chunkLength(intake) : .chunk(intake, left: left)
    connection.resumeReading()
  }

  private func finish(_ intake: MessageIntake) {
    run { try await intake.finish() }
  }

  /// Runs one step with reading paused; a reply ends the connection, nil goes on.
  private func run(_ step: @escaping () async throws -> ControlReply?) {
    state = .busy
    connection.pauseReading()
    Task {
      do {
        if let reply = try await step() { self.send(reply) }
      } catch let failure as ControlFailure {
        self.fail(failure)
      } catch {
        self.fail(ControlFailure(.software, "\(error)"))
      }
    }
  }

  private func fail(_ failure: ControlFailure) {
    var reply = ControlReply()
    reply.failure = failure
    send(reply)
  }

  private func send(_ reply: ControlReply) {
    guard !connection.isClosing else { return }
    state = .done
    if let bytes = try? JSONEncoder().encode(reply) { connection.out.writeBytes(bytes) }
    connection.out.writeInteger(UInt8(0x0A))
    connection.close()
  }
}
