import MailNet
import NIOCore
import POP3Core

/// Bytes out, answers in.
extension POP3Client {
  func failure(_ kind: ClientError.Kind) -> ClientError { ClientError(kind, server: connection.address.description) }

  /// The session is over: answers can't be told apart any more.
  func broken(_ kind: ClientError.Kind) -> ClientError {
    condition = .broken(kind)
    return failure(kind)
  }

  func refusal(_ status: POP3StatusLine, _ command: String) -> ClientError {
    let (code, text) = ServerText.split(status, capabilities)
    return failure(.refused(command: command, code: code, text: text))
  }

  /// Every command begins here.
  func begin() async throws(ClientError) {
    try checkReady()
    // LIST and UIDL that went out with the login are answered first.
    guard case .sent = ahead else { return }
    ahead = .nothing
    do {
      ahead = .read(.success(try await readListing()))
    } catch {
      // A refusal is for who asks for the listing; what breaks the session is for everybody.
      guard case .ready = condition else { throw error }
      ahead = .read(.failure(error))
    }
  }

  func checkReady() throws(ClientError) {
    switch condition {
    case .ready: return
    case .broken(let kind): throw failure(kind)
    case .ended: throw failure(.disconnected)
    }
  }

  func send(_ text: String) async throws(ClientError) { try await send(ByteBuffer(string: text)) }

  func send(_ bytes: ByteBuffer) async throws(ClientError) {
    do {
      try await connection.send(bytes)
    } catch {
      throw broken(error.kind)
    }
  }

  /// Waits for more bytes. The end of the connection is an error here: something is owed.
  func receive(_ what: String) async throws(ClientError) {
    do throws(ClientError) {
      guard let bytes = try await connection.receive() else { throw failure(.disconnected) }
      reader.feed(bytes)
    } catch {
      if case .timedOut = error.kind { throw broken(.timedOut(waitingFor: what)) }
      throw broken(error.kind)
    }
  }

  /// The first line of the next response, if it is in hand.
  func statusInHand() throws(ClientError) -> POP3StatusLine? {
    do {
      return try reader.nextStatus()
    } catch {
      throw unreadable(error)
    }
  }

  func unreadable(_ error: POP3ReadError) -> ClientError {
    switch error {
    case .lineTooLong: return broken(.protocolViolation("a line beyond \(POP3Limits.receivedLine) octets"))
    case .notAResponse(let line):
      // While a login is under way it may be a part of what was sent.
      let shown = secrets.isEmpty ? ServerText.clean(line) : ServerText.hidden
      return broken(.protocolViolation("neither +OK nor -ERR: \(shown)"))
    }
  }

  func status(_ command: String) async throws(ClientError) -> POP3StatusLine {
    while true {
      if let status = try statusInHand() { return status }
      try await receive("the answer to \(command)")
    }
  }

  /// The lines of a multi-line response whose first line has been read.
  func lines(_ command: String, limit: Int) async throws(ClientError) -> ByteBuffer {
    reader.beginBody(octets: nil, wholeLimit: limit)
    while true {
      switch reader.nextBody() {
      case .whole(let body): return body
      case .needsMore: try await receive("the answer to \(command)")
      case .begin, .piece, .end: throw broken(.protocolViolation("\(command): an answer beyond \(limit) octets"))
      }
    }
  }

  /// One command with an answer of one line.
  func command(_ name: String) async throws(ClientError) -> POP3StatusLine {
    try await begin()
    try await send("\(name)\r\n")
    let answer = try await status(name)
    guard answer.isOK else { throw refusal(answer, name) }
    return answer
  }
}
