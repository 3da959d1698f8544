// The input is a byte that chooses options and a command without its line end, literals in it. Invariants:
// - What can be read can be printed, and what was printed is read as the same command; but for names in LIST and LSUB
//   that no mailbox could have, which are let in as they stand.
// - Printed with non-synchronizing literals, it is framed as exactly that one command (APPEND: as its messages).
// - What cannot be read says so with a place inside the command.
import FuzzKit
import IMAPCore
import NIOCore

func imapCommandFuzz(_ given: ByteBuffer) {
  var line = given
  let options: WireOptions = line.takeByte() & 1 == 0 ? .rev1 : .rev2
  let command: TaggedCommand
  do {
    command = try CommandFrame(line).parse(options: options)
  } catch {
    must(error.offset >= 0 && error.offset <= line.readableBytes, "the error is at \(error.offset)")
    return
  }
  guard hasPossibleNames(command.command) else { return }
  var printer = CommandPrinter(options: options, nonSynchronizing: true)
  printer.print(command)
  let printed = printer.buffer
  let frame = printed.getSlice(at: printed.readerIndex, length: printed.readableBytes - 2) ?? ByteBuffer()
  let again = try? CommandFrame(frame).parse(options: options)
  must(
    again == command, "\(command)\nis printed as\n\(String(buffer: printed))\nand read as\n\(String(describing: again))"
  )
  checkFraming(of: command, printed, options)
}

private func hasPossibleNames(_ command: Command) -> Bool {
  let names: [String]
  switch command {
  case .list(let command): names = [command.reference] + command.patterns
  case .lsub(let command): names = [command.reference, command.pattern]
  default: return true
  }
  return names.allSatisfy { name in
    name.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F && $0 != "\u{FFFD}" }
  }
}

private func checkFraming(of command: TaggedCommand, _ printed: ByteBuffer, _ options: WireOptions) {
  var framer = CommandFramer(options: options, isLoggedIn: true)
  framer.receive(printed)
  let appended: AppendCommand? =
    switch command.command {
    case .append(let command), .replace(let command): command
    default: nil
    }
  if let appended {
    for message in appended.messages {
      guard case .appendMessage(let header) = framer.next() else { return must(false, "a message is not announced") }
      must(header.flags == message.flags && header.date == message.date, "a message is announced otherwise")
      must(header.replaces == appended.replaces, "a REPLACE is announced otherwise")
      guard let parts = message.parts else {
        checkOctets(message.bytes, &framer)
        continue
      }
      for part in parts {
        switch part {
        case .url(let url):
          var event = framer.next()
          while event == .sendContinuation { event = framer.next() }
          must(event == .appendURL(url), "a URL is handed over otherwise")
        case .text(let bytes), .utf8(let bytes):
          guard case .appendText = framer.next() else { return must(false, "a part is not announced") }
          checkOctets(bytes, &framer)
        }
      }
      must(framer.next() == .appendCatenated, "a list of parts does not end")
    }
    must(framer.next() == .appendEnd(tag: command.tag), "an APPEND does not end")
  } else {
    var event = framer.next()
    // Values of parameters stand as they came, and may have come with synchronizing literals.
    while event == .sendContinuation { event = framer.next() }
    guard case .command(let frame) = event else { return must(false, "no frame: \(String(buffer: printed))") }
    must((try? frame.parse(options: options)) == command, "framed as something else")
  }
  must(framer.isIdle, "something is left behind the command")
}

private func checkOctets(_ bytes: ByteBuffer, _ framer: inout CommandFramer) {
  framer.acceptMessage()
  var event = framer.next()
  if bytes.readableBytes > 0 {
    must(event == .appendBytes(bytes), "octets are handed over otherwise")
    event = framer.next()
  }
  must(event == .appendMessageEnd, "octets do not end")
}
