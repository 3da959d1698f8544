// The input is what an LMTP server sends. Invariants:
// - However the bytes are cut, the same replies and errors come out, within the limits.
// - A reply, written, is read as the same reply.
import Bytes
import FuzzKit
import LMTPCore
import NIOCore

func lmtpReplyFuzz(_ given: ByteBuffer) {
  let sent = given.stretched(upTo: LMTPLimits.receivedLine + 500)
  let whole = replies([sent])
  let cut = replies(sent.cut(seed: UInt64(given.readableBytes) &* 31 &+ 7))
  must(whole == cut, "cut, the reader sees\n\(cut)\nwhole\n\(whole)")
  for case .reply(let reply) in whole {
    must((200...599).contains(reply.code), "a reply of code \(reply.code)")
    must((1...LMTPLimits.receivedLines).contains(reply.lines.count), "a reply of \(reply.lines.count) lines")
    checkAgain(reply)
  }
}

private enum Seen: Equatable {
  case reply(LMTPReply)
  case failed(LMTPReadError)
}

private func replies(_ chunks: [ByteBuffer]) -> [Seen] {
  var reader = LMTPReplyReader()
  var seen: [Seen] = []
  for chunk in chunks {
    reader.feed(chunk)
    do throws(LMTPReadError) {
      while let reply = try reader.next() { seen.append(.reply(reply)) }
    } catch {
      seen.append(.failed(error))
      return seen
    }
  }
  return seen
}

private func checkAgain(_ reply: LMTPReply) {
  // Written lines are shorter than those that are read, and hold no control characters; and who puts a status in front
  // of every line cannot know that some had none.
  let isPlain = reply.lines.allSatisfy { line in
    line.utf8.count < 480 && line.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F } && line.utf8.first != 0x20
  }
  guard isPlain else { return }
  var output = ByteBuffer()
  reply.write(into: &output)
  var reader = LMTPReplyReader()
  reader.feed(output)
  let again = try? reader.next()
  must(again == reply && reader.unread == 0, "\(reply) is read as \(String(describing: again))")
}
