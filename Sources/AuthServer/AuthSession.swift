import Bytes
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore
import SASL

/// One MTA process on the socket.
actor AuthSession: ConnectionSession {
  private struct Exchange {
    let work: AuthExchange
    var isBusy = false
    var last: NIODeadline
  }

  private let connection: Connection
  private let server: AuthServer
  nonisolated var unownedExecutor: UnownedSerialExecutor { connection.executor }

  private var hasVersion = false
  private var hasProcess = false
  private var isOver = false
  private var exchanges: [UInt32: Exchange] = [:]

  init(_ connection: Connection, _ server: AuthServer) {
    self.connection = connection
    self.server = server
  }

  // MARK: ConnectionSession

  nonisolated func opened() { assumeIsolated { $0.greet() } }
  nonisolated func deadlineReached() {}
  nonisolated func shutdownRequested() { assumeIsolated { $0.end() } }
  nonisolated func closed(_ why: CloseReason) {
    assumeIsolated { session in
      session.isOver = true
      session.exchanges = [:]
    }
  }

  nonisolated func received(_ buffer: inout ByteBuffer) {
    // The buffer cannot cross into the closure while it is inout: take it, give back what is left.
    var bytes = buffer
    buffer = ByteBuffer()
    bytes = assumeIsolated { session in
      var bytes = bytes
      while !session.isOver, let line = Self.line(&bytes) { session.take(line) }
      if bytes.readableBytes >= AuthServerLimits.line { session.refuse("a line without end") }
      return session.isOver ? ByteBuffer() : bytes
    }
    buffer = bytes
  }

  private func greet() {
    var generator = SystemRandomNumberGenerator()
    let cookie = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let origin = RemoteLogin(connection, AuthRequest(id: 0, mechanism: ""))
    AuthReply.handshake(
      mechanisms: server.authenticator.mechanisms(for: origin), process: server.process, connection: connection.id,
      cookie: cookie
    ).write(into: &connection.out)
  }

  private func end() {
    guard !isOver else { return }
    isOver = true
    connection.close()
  }

  /// Whoever speaks something else is sent away; what it said may be a password, so the log has only where it went wrong.
  private func refuse(_ why: String) {
    server.logger.warning("auth socket: closed", metadata: ["conn": "\(connection.id)", "reason": "\(why)"])
    end()
  }

  private static func line(_ bytes: inout ByteBuffer) -> ByteBuffer? {
    let view = bytes.readableBytesView
    guard let end = view.firstIndex(of: 10), var line = bytes.readSlice(length: end - view.startIndex) else {
      return nil
    }
    bytes.moveReaderIndex(forwardBy: 1)
    // Nobody sends it, and it is no part of base64.
    if line.readableBytesView.last == 13 { line = line.readSlice(length: line.readableBytes - 1) ?? line }
    return line
  }

  // MARK: Lines

  private func take(_ line: ByteBuffer) {
    guard line.readableBytes < AuthServerLimits.line else { return refuse("a line too long") }
    let command: AuthClientLine
    do throws(AuthClientLine.Malformed) { command = try AuthClientLine.parse(line) } catch {
      return refuse(error.reason)
    }
    switch command {
    case .version(let major, _):
      guard major == 1 else { return refuse("version \(major)") }
      hasVersion = true
    case .process:
      guard hasVersion else { return refuse("CPID before VERSION") }
      hasProcess = true
    case .auth(let request):
      guard hasProcess else { return refuse("AUTH before the handshake") }
      begin(request)
    case .response(let id, let text): answer(id, text)
    case .cancel(let id):
      if let exchange = exchanges.removeValue(forKey: id), !exchange.isBusy { _ = exchange.work.cancel() }
    case .unknown: break
    }
  }

  private func begin(_ request: AuthRequest) {
    let id = request.id
    guard exchanges[id] == nil else { return refuse("AUTH with a number in use") }
    forgetSilent()
    let origin = RemoteLogin(connection, request)
    guard exchanges.count < AuthServerLimits.exchanges else { return say(.failure(id: id, user: "", .temporary)) }
    guard let mechanism = ServerMechanism(name: request.mechanism),
      server.authenticator.mechanisms(for: origin).contains(mechanism)
    else { return say(.failure(id: id, user: "", .malformed("Unsupported authentication mechanism"))) }
    var response: ByteBuffer?
    if let text = request.response {
      guard let bytes = Self.decode(text) else {
        return say(.failure(id: id, user: "", .malformed("Invalid base64 data in initial response")))
      }
      response = bytes
    }
    let work = server.authenticator.begin(mechanism, connection: origin)
    exchanges[id] = Exchange(work: work, last: .now())
    step(id, work, response)
  }

  private func answer(_ id: UInt32, _ text: String) {
    // An answer to one that has been forgotten, or cancelled.
    guard let exchange = exchanges[id] else { return say(.failure(id: id, user: "", .temporary)) }
    guard !exchange.isBusy else { return refuse("CONT before there was a challenge") }
    guard let bytes = Self.decode(text) else {
      exchanges[id] = nil
      _ = exchange.work.cancel()
      return say(.failure(id: id, user: "", .malformed("Invalid base64 data in continued response")))
    }
    step(id, exchange.work, bytes)
  }

  private static func decode(_ text: String) -> ByteBuffer? { Base64.decode(text.utf8Span.span.bytes) }

  private func step(_ id: UInt32, _ work: AuthExchange, _ bytes: ByteBuffer?) {
    exchanges[id]?.isBusy = true
    Task(executorPreference: connection.taskExecutor) { await self.run(id, work, bytes) }
  }

  private func run(_ id: UInt32, _ work: AuthExchange, _ bytes: ByteBuffer?) async {
    let outcome = await work.step(bytes)
    done(id, work, outcome)
  }

  private func done(_ id: UInt32, _ work: AuthExchange, _ outcome: AuthStep) {
    guard !isOver, exchanges[id]?.work === work else { return }
    switch outcome {
    case .challenge(let challenge):
      exchanges[id]?.isBusy = false
      exchanges[id]?.last = .now()
      say(.challenge(id: id, challenge))
    case .done(.success(let account), _):
      exchanges[id] = nil
      say(.success(id: id, user: account.name))
    case .done(.failed(let reason), _):
      exchanges[id] = nil
      say(.failure(id: id, user: work.userName, reason))
    }
    connection.flush()
  }

  private func say(_ reply: AuthReply) { reply.write(into: &connection.out) }

  private func forgetSilent() {
    guard exchanges.count >= AuthServerLimits.exchanges / 2 else { return }
    let limit = NIODeadline.now() - AuthServerLimits.silence
    exchanges = exchanges.filter { $0.value.isBusy || $0.value.last >= limit }
  }
}
