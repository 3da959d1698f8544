// The input is a byte that chooses mechanism and play, and messages parted by FF, which no UTF-8 holds.
//
// Invariants:
// - A client that does not know the password never succeeds at the server, whatever it sends.
// - A server that does not know the keys is never proven to the client, whatever it sends.
// - PLAIN and LOGIN ask for a name and a password that are there, on nobody else's behalf.
// - With the right password an exchange succeeds for the very name that was asked for; with one message changed on its
//   way it does not.
import FuzzKit
import NIOCore
import SASL

func saslFuzz(_ given: ByteBuffer) {
  var sent = given
  let setup = sent.takeByte()
  let mechanism = SASLMechanism.allCases[Int(setup & 3) % SASLMechanism.allCases.count]
  var messages: [ByteBuffer] = []
  while sent.readableBytes > 0 { messages.append(sent.takeField(upTo: 0xFF)) }
  switch setup >> 2 & 3 {
  case 0, 1: strangerAtServer(mechanism, messages, setup)
  case 2: impostorAtClient(mechanism, messages)
  default: changedOnItsWay(mechanism, messages, setup)
  }
}

private let password = Array("pencil".utf8)

/// Made once: SCRAM-SHA-256 and SCRAM-SHA-1 keys of `password`, with as few rounds as are taken.
private let known: Credentials? = {
  let salt = Array("0123456789abcdef".utf8)
  let texts = [SCRAMHash.sha256, .sha1].compactMap {
    SCRAMKeys(hash: $0, preparedPassword: password, salt: salt, iterations: SASLLimits.leastIterations)?.text
  }
  return try? Credentials(stored: texts.joined(separator: " "))
}()

private func strangerAtServer(_ mechanism: SASLMechanism, _ messages: [ByteBuffer], _ setup: UInt8) {
  var exchange = SASLServerExchange(
    mechanism: mechanism, sendsFinalData: setup & 16 != 0, serverNonce: "3rfcNHYJY1ZVvWVs7j")
  var rest = messages[...]
  let initial = setup & 32 != 0 ? rest.popFirst() : nil
  var action = exchange.start(initialResponse: initial)
  while true {
    switch action {
    case .challenge:
      guard let next = rest.popFirst() else { return }
      action = exchange.step(next)
    case .needCredentials(let username):
      must(!username.isEmpty, "credentials of nobody")
      action = exchange.resume(with: setup & 64 != 0 ? known : nil)
    case .verify(let request):
      checkRequest(request, mechanism)
      must(exchange.step(ByteBuffer()) == .failed(.outOfOrder), "it goes on behind the end")
      return
    case .failed:
      must(exchange.step(ByteBuffer()) == .failed(.outOfOrder), "it goes on behind the end")
      return
    case .succeeded: return must(false, "a stranger was let in")
    }
  }
}

private func checkRequest(_ request: SASLRequest, _ mechanism: SASLMechanism) {
  must(mechanism.sendsPassword, "no password was sent")
  must(!request.username.isEmpty && request.username.utf8.count <= SASLLimits.name, "a name of no length")
  must(!request.password.isEmpty && request.password.count <= SASLLimits.password, "a password of no length")
  must(!request.password.contains(0) && !request.username.utf8.contains(0), "NUL")
  must(
    request.authorization.isEmpty || request.authorization.lowercased() == request.username.lowercased(),
    "somebody acts as somebody else")
}

private func impostorAtClient(_ mechanism: SASLMechanism, _ messages: [ByteBuffer]) {
  var client = SASLClientExchange(
    mechanism: mechanism, username: "user", password: password, leastIterations: 1, nonce: "rOprNGfwEbeRWgbNEkqO")
  _ = client.initialResponse()
  for message in messages {
    // A server may ask for up to two million rounds, which is meant, and too slow here.
    let fields = message.readableBytesView.split(separator: UInt8(ascii: ","))
    if fields.contains(where: { $0.starts(with: "i=".utf8) && $0.count > 6 }) { return }
    if case .failed = client.step(message) { break }
  }
  must(client.isServerProven == (mechanism.scramHash == nil), "an impostor was believed")
}

private func changedOnItsWay(_ mechanism: SASLMechanism, _ messages: [ByteBuffer], _ setup: UInt8) {
  guard mechanism.scramHash != nil else { return }
  let username = String(buffer: messages.first ?? ByteBuffer(string: "user"))
  guard let name = SASLprep.name(Array(username.utf8)), let known else { return }
  let replaced = Int(setup >> 4 & 3)  // 0: nothing
  let replacement = messages.dropFirst().first ?? ByteBuffer()

  var client = SASLClientExchange(
    mechanism: mechanism, username: username, password: password, leastIterations: SASLLimits.leastIterations)
  var server = SASLServerExchange(mechanism: mechanism, sendsFinalData: true)
  var isChanged = false
  func onItsWay(_ message: ByteBuffer, _ number: Int) -> ByteBuffer {
    guard number == replaced else { return message }
    isChanged = message != replacement
    return replacement
  }
  guard let first = client.initialResponse() else { return must(false, "a client that says nothing") }
  guard case .needCredentials(let asked) = server.start(initialResponse: onItsWay(first, 1)) else {
    return must(isChanged, "a good first message was refused")
  }
  must(isChanged || asked == name, "credentials of \(asked) were asked for, not of \(name)")
  guard case .challenge(let challenge) = server.resume(with: known),
    case .respond(let final) = client.step(onItsWay(challenge, 2))
  else { return must(isChanged, "a good challenge was refused") }
  guard case .succeeded(let who, _, let proof) = server.step(onItsWay(final, 3)) else {
    return must(isChanged, "the right password was refused")
  }
  must(!isChanged && who == name, "a changed message was let through")
  must(proof.map { client.finish($0) } == true && client.isServerProven, "a good server was not proven")
}
