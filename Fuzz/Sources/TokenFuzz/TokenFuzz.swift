// The input is a byte that chooses, and what a stranger sends in OAUTHBEARER or XOAUTH2, or as a token. Invariants:
// - A message that is taken has a token of the characters of one, and a name that could be one.
// - What our own client makes of such a message is read as the same.
// - A token whose header is taken has three parts of base64url, an algorithm of asymmetric keys, and a signature; with one
//   octet more behind it, it is another or none.
import FuzzKit
import NIOCore
import SASL

@testable import MailAuth

func tokenFuzz(_ given: ByteBuffer) {
  var bytes = given
  let setup = bytes.takeByte()
  let sent = Array(bytes.readableBytesView)
  if setup & 2 == 0 { message(sent, setup & 1 == 0 ? .oauthBearer : .xoauth2) } else { header(sent) }
}

private func message(_ sent: [UInt8], _ mechanism: SASLTokenMechanism) {
  guard case .success(let message) = TokenMessage.parse(sent, mechanism) else { return }
  must(sent.count <= SASLLimits.message, "longer than a message may be")
  must(message.token.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "an odd token")
  must(!message.authorization.utf8.contains { $0 < 0x20 || $0 == 0x7F }, "controls in a name")
  guard !message.token.isEmpty, mechanism == .oauthBearer || !message.authorization.isEmpty,
    message.token.allSatisfy({ $0 != UInt8(ascii: ",") }), let host = message.host,
    host.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }),
    var client = SASLTokenExchange(
      mechanism: mechanism, username: message.authorization, token: String(decoding: message.token, as: UTF8.self),
      host: host, port: 143), let again = client.initialResponse(), again.readableBytes <= SASLLimits.message,
    !message.authorization.isEmpty
  else { return }
  guard case .success(let read) = TokenMessage.parse(Array(again.readableBytesView), mechanism) else {
    return must(false, "our own client's message is not read")
  }
  must(read.token == message.token && read.authorization == message.authorization, "another name or token")
}

private func header(_ sent: [UInt8]) {
  guard case .success(let header) = TokenHeader.parse(sent) else { return }
  let parts = sent.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
  must(parts.count == 3 && parts[2].count > 1, "not three parts")
  must(!header.algorithm.rawValue.hasPrefix("HS") && header.algorithm.rawValue.lowercased() != "none", "no key needed")
  must(header.key?.utf8.count ?? 0 <= TokenLimits.keyName, "a long name of a key")
  for tail in [UInt8(ascii: "="), UInt8(ascii: "."), 10, 32, 0] {
    if case .success = TokenHeader.parse(sent + [tail]) { must(false, "taken with \(tail) behind it") }
  }
}
