// The input is a line on the socket where an MTA has passwords checked. Invariants:
// - A line that is taken has no more parameters than may be.
// - Whatever a text is, escaped it has no tab and no line end, and reads back as itself.
// - AUTH's initial response is what stood behind `resp=`, to the octet.
import FuzzKit
import NIOCore

@testable import AuthServer

func authLineFuzz(_ given: ByteBuffer) {
  let line = given.readableBytesView.split(separator: 10, maxSplits: 1, omittingEmptySubsequences: false).first ?? []
  let text = String(decoding: line, as: UTF8.self)
  let escaped = AuthText.escape(text)
  must(!escaped.utf8.contains { $0 == 9 || $0 == 10 || $0 == 13 || $0 == 0 }, "a text that parts words")
  must(AuthText.unescape(Array(escaped.utf8)) == text, "escaped and back it is another text")
  guard let command = try? AuthClientLine.parse(ByteBuffer(bytes: line)) else { return }
  let words = line.split(separator: 9, omittingEmptySubsequences: false)
  must(words.count <= AuthServerLimits.parameters, "too many parameters")
  guard case .auth(let request) = command, let response = request.response, !line.contains(1) else { return }
  let last = words.last { $0.starts(with: "resp=".utf8) }
  must(last.map { String(decoding: $0.dropFirst(5), as: UTF8.self) } == response, "another initial response")
}
