// The input is what a client sends; DATA and BDAT are taken at their word. Invariants:
// - However the bytes are cut, the same commands, contents and refusals come out.
// - A path, printed, is read as the same path.
// - Replies, which show what the client sent, stay on lines of 512 octets.
import Bytes
import FuzzKit
import LMTPCore
import NIOCore

func lmtpFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  let sent = given.stretched(upTo: LMTPLimits.commandLine + 500)
  let seed = UInt64(count) &* 31 &+ UInt64(sent.getInteger(at: sent.writerIndex - 1, as: UInt8.self) ?? 0)
  let whole = drive([sent])
  let cut = drive(sent.cut(seed: seed))
  must(whole == cut, "cut, the server sees\n\(cut)\nwhole\n\(whole)")
  for seen in whole {
    switch seen {
    case .command(.mail(let sender)): checkPath(sender.path)
    case .command(.rcpt(let path)): checkPath(path)
    case .refused(let error): checkReply(error.reply)
    default: break
    }
  }
}

private enum Seen: Equatable {
  case command(LMTPCommand)
  case content(ByteBuffer)
  case refused(LMTPSyntaxError)
}

private enum State {
  case commands
  case data(DataDecoder)
  case chunk(ChunkDecoder)
}

private func drive(_ chunks: [ByteBuffer]) -> [Seen] {
  var framer = LMTPLineFramer()
  var state = State.commands
  var buffer = ByteBuffer()
  var content = ByteBuffer()
  var seen: [Seen] = []
  for var piece in chunks {
    buffer.writeBuffer(&piece)
    loop: while true {
      switch state {
      case .data(var decoder):
        let isAtEnd = decoder.decode(&buffer, into: &content)
        state = isAtEnd ? .commands : .data(decoder)
        guard isAtEnd else { break loop }
        seen.append(.content(content))
        content = ByteBuffer()
      case .chunk(var decoder):
        while var bytes = decoder.next(from: &buffer) { content.writeBuffer(&bytes) }
        state = decoder.isAtEnd ? .commands : .chunk(decoder)
        guard decoder.isAtEnd else { break loop }
        seen.append(.content(content))
        content = ByteBuffer()
      case .commands:
        switch framer.next(from: &buffer) {
        case .incomplete: break loop
        case .refused(let error): seen.append(.refused(error))
        case .line(let line): state = take(line, &seen)
        }
      }
    }
    must(buffer.readableBytes < LMTPLimits.commandLine, "\(buffer.readableBytes) octets are held")
  }
  return seen
}

private func take(_ line: ByteBuffer, _ seen: inout [Seen]) -> State {
  do {
    let command = try LMTPCommand.parse(line, isSMTPUTF8: line.readableBytes % 2 == 0)
    seen.append(.command(command))
    switch command {
    case .data: return .data(DataDecoder())
    case .bdat(let size, _): return .chunk(ChunkDecoder(size: size))
    default: return .commands
    }
  } catch {
    seen.append(.refused(error))
    return .commands
  }
}

private func checkPath(_ path: LMTPPath) {
  checkReply(.noSuchUser(path))
  guard !path.isNull, path.text.utf8.count <= LMTPLimits.path else { return }
  let line = ByteBuffer(string: "RCPT TO:\(path.text)")
  let again = try? LMTPCommand.parse(line, isSMTPUTF8: true)
  must(again == .rcpt(path), "\(path) is printed as \(path.text) and read as \(String(describing: again))")
}

private func checkReply(_ reply: LMTPReply) {
  var output = ByteBuffer()
  reply.write(into: &output)
  for line in output.readableBytesView.split(separator: 0x0A) {
    must(line.count < LMTPLimits.replyLine && line.last == 0x0D, "a reply's line is too long or does not end")
    must(line.dropLast().allSatisfy { $0 >= 0x20 }, "a reply has control characters")
  }
}
