// The input is a byte that chooses the mode and what a client (or a server) sends. Invariants:
// - However the bytes are cut, the same lines come out, none longer than its limit and none with an LF in it.
// - Any line can be read as a command, as an answer to a challenge and as a server's reply, or is refused.
// - TOP's limiter passes on a beginning of the message, the same however it is cut.
import FuzzKit
import NIOCore
import POP3Core

func pop3Fuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  var sent = given
  let setup = sent.takeByte()
  let mode: POP3LineFramer.Mode = setup & 1 == 0 ? .command : .authentication
  sent = sent.stretched(upTo: POP3Limits.authenticationLine + 500)
  let pieces = sent.cut(seed: UInt64(count) &+ UInt64(setup) << 32)

  let whole = lines([sent], mode)
  let cut = lines(pieces, mode)
  must(whole == cut, "cut, the framer sees\n\(cut)\nwhole\n\(whole)")
  for case .line(let line) in whole {
    must(line.readableBytes < POP3Limits.authenticationLine, "a line is over the limit")
    must(!line.readableBytesView.contains(0x0A), "a line has an LF in it")
    _ = try? POP3Command.parse(line)
    _ = POP3AuthResponse.parse(line)
    _ = POP3Reply.parse(line)
  }

  let top = limited([sent], lines: Int(setup >> 1))
  must(top == limited(pieces, lines: Int(setup >> 1)), "TOP depends on how the message was cut")
  must(sent.readableBytesView.starts(with: top.readableBytesView), "TOP shows what is not in the message")
}

private func lines(_ chunks: [ByteBuffer], _ mode: POP3LineFramer.Mode) -> [POP3LineFramer.Frame] {
  var framer = POP3LineFramer()
  var buffer = ByteBuffer()
  var seen: [POP3LineFramer.Frame] = []
  for var chunk in chunks {
    buffer.writeBuffer(&chunk)
    while true {
      let frame = framer.next(from: &buffer, mode: mode)
      if frame == .incomplete { break }
      seen.append(frame)
    }
    must(buffer.readableBytes < POP3Limits.authenticationLine, "\(buffer.readableBytes) octets are held")
  }
  return seen
}

private func limited(_ chunks: [ByteBuffer], lines: Int) -> ByteBuffer {
  var limiter = TopLimiter(lines: lines)
  var output = ByteBuffer()
  for chunk in chunks where !limiter.isComplete {
    var piece = limiter.take(chunk)
    must(limiter.isComplete || piece.readableBytes == chunk.readableBytes, "something is left out in the middle")
    output.writeBuffer(&piece)
  }
  return output
}
