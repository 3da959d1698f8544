import NIOCore
import Synchronization

@testable import MailNet

/// What the sessions of a server lived through.
final class ToyLog: Sendable {
  struct State {
    var opened = 0
    var closed: [CloseReason] = []
    var closedSessions: [UInt64] = []
    var offLoop = 0
    var deliveries = 0
    var bursts = 0
    var tlsStarted = 0
    var serverNames: [String?] = []
    var writableThrew = 0
    var highestWaiting = 0
    var waits = 0
    var connections: [Connection] = []
  }
  private let state = Mutex(State())
  private let changes = Mutex<[CheckedContinuation<Void, Never>]>([])

  var now: State { state.withLock { $0 } }

  func note(_ body: (inout State) -> Void) {
    state.withLock { body(&$0) }
    let waiting = changes.withLock { waiting in
      defer { waiting = [] }
      return waiting
    }
    for waiter in waiting { waiter.resume() }
  }

  /// Waits until the log says so; the suite's time limit is the end of patience.
  func until(_ condition: @Sendable (State) -> Bool) async {
    while !condition(now) {
      await withCheckedContinuation { waiter in
        changes.withLock { $0.append(waiter) }
        // What changed before we stood in line.
        if condition(now) { note { _ in } }
      }
    }
  }
}

/// Opened by the test, awaited by sessions.
final class Gate: Sendable {
  private let latch = Latch()
  func open() { latch.open(.success(())) }
  func pass() async { try? await latch.wait() }
}

/// A line protocol, small enough to show what a connection does.
actor ToySession: ConnectionSession {
  nonisolated let connection: Connection
  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }
  private nonisolated let log: ToyLog
  private nonisolated let gate: Gate

  init(_ connection: Connection, log: ToyLog, gate: Gate) {
    self.connection = connection
    self.log = log
    self.gate = gate
  }

  nonisolated func opened() {
    log.note {
      $0.opened += 1
      $0.serverNames.append(connection.serverName)
      $0.connections.append(connection)
      if !connection.eventLoop.inEventLoop { $0.offLoop += 1 }
    }
    connection.out.writeString("hello\r\n")
  }

  nonisolated func received(_ buffer: inout ByteBuffer) {
    log.note {
      $0.deliveries += 1
      $0.highestWaiting = max($0.highestWaiting, buffer.readableBytes)
      if !connection.eventLoop.inEventLoop { $0.offLoop += 1 }
    }
    assumeIsolated { session in
      while let line = Self.line(&buffer) {
        if line == "compress" {
          session.connection.out.writeString("go\r\n")
          let pending = buffer
          buffer = ByteBuffer()
          return session.connection.startCompression(pending: pending, allowance: 1 << 20)
        }
        if line == "plain" {
          session.connection.out.writeString("plain again\r\n")
          return session.connection.endCompression()
        }
        if !session.run(line) { return }
      }
    }
  }

  private static func line(_ buffer: inout ByteBuffer) -> String? {
    guard let end = buffer.readableBytesView.firstIndex(of: 10) else { return nil }
    let length = end - buffer.readableBytesView.startIndex + 1
    return buffer.readString(length: length).map { String($0.prefix { $0 != "\r\n" && $0 != "\n" }) }
  }

  /// False: no further line is to be taken now.
  private func run(_ line: String) -> Bool {
    let words = line.split(separator: " ", maxSplits: 1)
    switch words.first {
    case "echo":
      connection.out.writeString("\(words.dropFirst().first ?? "")\r\n")
      return true
    case "starttls":
      connection.out.writeString("go\r\n")
      connection.startTLS()
      return false
    case "quit":
      connection.out.writeString("bye\r\n")
      connection.close()
      return false
    case "wait":
      connection.pauseReading()
      Task(executorPreference: connection.taskExecutor) { await self.wait() }
      return false
    case "again":
      // Stops and goes on within one turn.
      connection.pauseReading()
      connection.out.writeString("again\r\n")
      connection.resumeReading()
      return false
    case "deadline":
      connection.setDeadline(.milliseconds(20))
      return true
    case "nodeadline":
      connection.setDeadline(nil)
      return true
    case "flood":
      connection.pauseReading()
      let count = words.dropFirst().first.flatMap { Int($0) } ?? 0
      Task(executorPreference: connection.taskExecutor) { await self.flood(count) }
      return false
    default:
      connection.out.writeString("what?\r\n")
      return true
    }
  }

  private func wait() async {
    await gate.pass()
    if !connection.eventLoop.inEventLoop { log.note { $0.offLoop += 1 } }
    connection.out.writeString("waited\r\n")
    connection.flush()
    connection.resumeReading()
  }

  private func flood(_ count: Int) async {
    let chunk = 64 << 10
    do throws(ConnectionClosed) {
      for _ in 0..<(count / chunk) {
        connection.out.writeRepeatingByte(0x78, count: chunk)
        connection.flush()
        let waiting = connection.waitingOctets + connection.out.readableBytes
        log.note { $0.highestWaiting = max($0.highestWaiting, waiting) }
        if !connection.isWritable { log.note { $0.waits += 1 } }
        try await connection.writable()
        if !connection.eventLoop.inEventLoop { log.note { $0.offLoop += 1 } }
      }
      connection.out.writeString("done\r\n")
      connection.flush()
      connection.resumeReading()
    } catch {
      log.note { $0.writableThrew += 1 }
    }
  }

  nonisolated func readBurstEnded() { log.note { $0.bursts += 1 } }
  nonisolated func tlsStarted() {
    log.note {
      $0.tlsStarted += 1
      $0.serverNames.append(connection.serverName)
    }
  }

  nonisolated func deadlineReached() {
    connection.out.writeString("too late\r\n")
    connection.close()
  }

  nonisolated func shutdownRequested() {
    connection.out.writeString("going down\r\n")
    connection.close()
  }

  nonisolated func closed(_ why: CloseReason) {
    log.note {
      $0.closed.append(why)
      $0.closedSessions.append(connection.id)
      if !connection.eventLoop.inEventLoop { $0.offLoop += 1 }
    }
  }
}
