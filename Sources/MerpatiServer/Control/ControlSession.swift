import Foundation
import MailNet
import MailStore
import MailTransfer
import NIOCore

/// One request on the control socket. Only the server's user and root get in: by the mode of the socket's file and its
/// folder, and by the kernel's word on who has connected.
actor ControlSession: ConnectionSession {
  /// What a connection over a limit hears.
  static let refusal =
    #"{"failure":{"code":75,"sentence":"the server takes no more commands at the moment; try again"}}"# + "\n"

  static func listenerSettings(directory: String) -> ListenerSettings {
    var settings = ListenerSettings(
      name: "control", address: .unix(path: DataFolder.controlSocket(directory), mode: 0o600),
      implicitTLS: false, refusalLine: refusal,
      // An export reads no faster than its disk takes it.
      writeTimeout: .seconds(Int64(ControlLimits.silence)), maxBuffered: 2 * maximumLine)
    settings.admitsOwnUserOnly = true
    return settings
  }

  /// Longest request line.
  static let maximumLine = ControlLimits.requestLine

  private enum State {
    case request
    case chunkLength(any ControlIntake)
    case chunk(any ControlIntake, left: Int)
    case busy
    /// A backup copies packs; whatever comes next ends that.
    case holding(any BackupHold)
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
      switch session.state {
      // A backup is begun anew rather than waited for.
      case .request, .holding: session.connection.close()
      default: break
      }
    }
  }
  nonisolated func closed(_ why: CloseReason) {
    assumeIsolated { session in
      switch session.state {
      case .chunkLength(let intake), .chunk(let intake, _): Task { await intake.discard() }
      case .holding(let hold): Task { await hold.end() }
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
      case .holding(let hold):
        guard Self.line(&buffer) != nil else { return }
        run {
          await hold.end()
          var reply = ControlReply()
          reply.count = 1
          return reply
        }
      case .chunkLength(let intake):
        guard let line = Self.line(&buffer) else { return }
        guard let length = Int(String(buffer: line)), (0...ControlLimits.chunk).contains(length) else {
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
    run {
      let request = try await ControlCoding.request(line)
      switch request {
      case .deliver(let delivery): await self.expect(self.deliveries.begin(delivery), left: 0)
      case .append(let append):
        await self.expect(try AppendIntake(store: self.administration.store, request: append), left: 0)
      case .backup: try await self.hold()
      case .read(let account, let mailbox, let uids): return try await self.read(account, mailbox, uids)
      default: return try await self.administration.perform(request)
      }
      return nil
    }
  }

  /// Begins a backup, says so, and keeps packs for as long as the other end stays.
  private func hold() async throws {
    let hold = try await administration.upkeep().beginBackup(into: nil)
    var reply = ControlReply()
    reply.backup = hold.snapshot
    connection.out.writeImmutableBuffer(try await ControlCoding.line(reply))
    try await connection.writable()
    if isClosed { return await hold.end() }
    state = .holding(hold)
    connection.resumeReading()
  }

  private func take(_ bytes: ByteBuffer, _ intake: any ControlIntake, _ left: Int) {
    run(intake) {
      try await intake.append(bytes)
      await self.expect(intake, left: left)
      return nil
    }
  }

  /// More is wanted, unless the sender has gone away meanwhile.
  private func expect(_ intake: any ControlIntake, left: Int) async {
    if isClosed { return await intake.discard() }
    state = left == 0 ? .chunkLength(intake) : .chunk(intake, left: left)
    connection.resumeReading()
  }

  private func finish(_ intake: any ControlIntake) {
    run(intake) {
      if let reply = try await intake.endMessage() { return reply }
      await self.expect(intake, left: 0)
      return nil
    }
  }

  /// Sends the messages as they are read, no faster than the other end takes them.
  private func read(_ account: String, _ mailbox: String, _ uids: [UID]) async throws -> ControlReply {
    try Administration.check(uids)
    let store = administration.store
    let ref = try await administration.work.ref(mailbox, of: account)
    let cursor = StoreCursor(store: store, ref: ref, uids: uids)
    var count = 0
    while true {
      let events = try await cursor.next()
      if events.isEmpty { break }
      for event in events {
        ReadFrame.write(event, to: &connection.out)
        if case .end = event { count += 1 }
      }
      try await connection.writable()
    }
    var reply = ControlReply()
    reply.count = count
    return reply
  }

  /// Runs one step with reading paused; a reply ends the connection, nil goes on. A step that fails ends what it was
  /// taking in.
  private func run(_ intake: (any ControlIntake)? = nil, _ step: @escaping () async throws -> ControlReply?) {
    state = .busy
    connection.pauseReading()
    Task {
      do {
        if let reply = try await step() { self.send(try await ControlCoding.line(reply)) }
      } catch {
        self.fail(ControlFailure(any: error))
        await intake?.discard()
      }
    }
  }

  private func fail(_ failure: ControlFailure) {
    var reply = ControlReply()
    reply.failure = failure
    send(ControlCoding.shortLine(reply))
  }

  private func send(_ line: ByteBuffer) {
    guard !connection.isClosing else { return }
    state = .done
    connection.out.writeImmutableBuffer(line)
    connection.close()
  }
}
