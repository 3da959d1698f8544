// The input is a byte that sets the framer up and what a client sends. Invariants:
// - However the bytes are cut, the same commands, messages, lines and refusals come out (their words may differ).
// - What is held while more is awaited stays within the limits.
// - The octets of a message, or of a part of one, add up to the size that was announced, or the message has not ended.
// - Every frame can be read or refused, and a refusal can be written on one line.
import Bytes
import FuzzKit
import IMAPCore
import NIOCore

func imapFramerFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  var sent = given
  let setup = Setup(sent.takeByte())
  let seed = UInt64(count) &* 31 &+ UInt64(sent.getInteger(at: sent.writerIndex - 1, as: UInt8.self) ?? 0)
  sent = sent.stretched(upTo: setup.limits.lineBeforeLogin + 500)
  let whole = drive(setup, [ByteBuffer(bytes: sent.readableBytesView)])
  let cut = drive(setup, sent.cut(seed: seed))
  must(whole == cut, "cut, the framer sees\n\(cut)\nwhole\n\(whole)")
  if sent.readableBytes <= 800 {
    let bytewise = drive(setup, sent.readableBytesView.map { ByteBuffer(bytes: [$0]) })
    must(whole == bytewise, "byte by byte, the framer sees\n\(bytewise)\nwhole\n\(whole)")
  }
}

private struct Setup {
  var limits = IMAPLimits.standard
  var options = WireOptions.rev1
  var isLoggedIn: Bool
  var refusesMessages: Bool
  var refusesAfterMessages: Bool
  var expectsLines: Bool

  init(_ byte: UInt8) {
    isLoggedIn = byte & 1 == 0
    if byte & 2 != 0 { options = .rev2 }
    if byte & 4 != 0 { limits = Self.small }
    refusesMessages = byte & 8 != 0
    refusesAfterMessages = byte & 16 != 0
    if byte & 32 != 0 { limits.nonSynchronizingLiteral = 40 }
    expectsLines = byte & 64 != 0
  }

  /// Low enough to be met by short inputs.
  private static var small: IMAPLimits {
    var limits = IMAPLimits()
    limits.line = 200
    limits.lineBeforeLogin = 100
    limits.literals = 64
    limits.literalsBeforeLogin = 32
    limits.literalsPerCommand = 3
    limits.messagesPerAppend = 2
    limits.swallowedLiteral = 100
    limits.saslLine = 50
    limits.nesting = 3
    limits.searchNesting = 5
    limits.setElements = 4
    limits.listElements = 5
    limits.partDepth = 3
    limits.tag = 8
    limits.mailboxName = 20
    limits.keyword = 10
    limits.catenatedParts = 3
    limits.url = 24
    return limits
  }

  var mostHeld: Int {
    let line = isLoggedIn ? limits.line : limits.lineBeforeLogin
    let literals = isLoggedIn ? limits.literals : limits.literalsBeforeLogin
    return max(line + Int(literals), limits.saslLine) + 64
  }
}

private enum Seen: Equatable {
  case event(FramerEvent)
  case message(ByteBuffer)
  case refused(tag: String?)
  case closed
}

private func drive(_ setup: Setup, _ chunks: [ByteBuffer]) -> [Seen] {
  var framer = CommandFramer(limits: setup.limits, options: setup.options, isLoggedIn: setup.isLoggedIn)
  var seen: [Seen] = []
  var announced: Int64 = 0
  var message = ByteBuffer()
  for chunk in chunks {
    framer.receive(chunk)
    loop: while true {
      let event = framer.next()
      switch event {
      case .needMore: break loop
      case .appendMessage(let header):
        announced = header.literal.size
        message = ByteBuffer()
        seen.append(.event(event))
        if setup.refusesMessages { framer.refuseCommand() } else { framer.acceptMessage() }
      case .appendText(let literal):
        announced = literal.size
        message = ByteBuffer()
        seen.append(.event(event))
        framer.acceptMessage()
      case .appendURL(let url):
        must(url.readableBytes <= setup.limits.url, "a URL is longer than allowed")
        seen.append(.event(event))
      case .appendBytes(var bytes):
        must(bytes.readableBytes > 0, "octets of a message that are none")
        message.writeBuffer(&bytes)
        must(Int64(message.readableBytes) <= announced, "a message is longer than announced")
      case .appendMessageEnd:
        must(Int64(message.readableBytes) == announced, "a message is shorter than announced")
        seen.append(.message(message))
        if setup.refusesAfterMessages { framer.refuseCommand() }
      case .command(let frame):
        seen.append(.event(event))
        if read(frame, setup), setup.expectsLines { framer.expectLine() }
      case .rejected(let error):
        checkRefusal(error)
        seen.append(.refused(tag: error.tag))
      case .close:
        must(framer.next() == event, "a closed framer changes its mind")
        seen.append(.closed)
        return seen
      case .line, .sendContinuation, .appendEnd, .appendCatenated:
        seen.append(.event(event))
      }
    }
    must(framer.bufferedByteCount <= setup.mostHeld, "\(framer.bufferedByteCount) octets are held")
  }
  return seen
}

/// Whether it is a command after which a line may be expected.
private func read(_ frame: CommandFrame, _ setup: Setup) -> Bool {
  do {
    switch try frame.parse(options: setup.options, limits: setup.limits).command {
    case .idle, .authenticate: return true
    default: return false
    }
  } catch {
    checkRefusal(error)
    return false
  }
}

private func checkRefusal(_ error: IMAPSyntaxError) {
  var answer = ByteBuffer()
  answer.writeRejection(error)
  let bytes = answer.readableBytesView
  must(bytes.last == 0x0A && bytes.filter { $0 == 0x0A || $0 == 0x0D || $0 == 0 }.count == 2, "a refusal of two lines")
}
