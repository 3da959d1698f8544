// The input is a byte that sets the framer up and what a server sends. Invariants:
// - However the bytes are cut, the same responses and sections come out, and the same end.
// - What is held while more is awaited stays within the limits.
// - The octets of a section that is handed out add up to the size that was announced, or it has not ended.
// - Every frame can be read or refused; what is read stays within the limits.
import Bytes
import FuzzKit
import IMAPCore
import NIOCore

func imapResponseFuzz(_ given: ByteBuffer) {
  let count = given.readableBytes
  var sent = given
  let setup = Setup(sent.takeByte())
  let seed = UInt64(count) &* 31 &+ UInt64(sent.getInteger(at: sent.writerIndex - 1, as: UInt8.self) ?? 0)
  sent = sent.stretched(upTo: 4000)
  let whole = drive(setup, [ByteBuffer(bytes: sent.readableBytesView)])
  let cut = drive(setup, sent.cut(seed: seed))
  must(whole == cut, "cut, the framer sees\n\(cut)\nwhole\n\(whole)")
  if sent.readableBytes <= 800 {
    let bytewise = drive(setup, sent.readableBytesView.map { ByteBuffer(bytes: [$0]) })
    must(whole == bytewise, "byte by byte, the framer sees\n\(bytewise)\nwhole\n\(whole)")
  }
}

private struct Setup {
  var limits = ResponseLimits.standard
  var options = WireOptions.rev1

  init(_ byte: UInt8) {
    if byte & 1 != 0 { options = .rev2 }
    if byte & 2 != 0 { limits.whole = 8 }
    if byte & 4 != 0 { limits = Self.small }
  }

  /// Low enough to be met by short inputs.
  private static var small: ResponseLimits {
    var limits = ResponseLimits()
    limits.line = 300
    limits.whole = 16
    limits.response = 200
    limits.streamedSections = 3
    limits.literals = 4
    limits.nesting = 6
    limits.listElements = 8
    limits.setElements = 4
    limits.numbers = 50
    limits.partDepth = 3
    limits.tag = 8
    return limits
  }

  var mostHeld: Int { limits.line + Int(limits.response) + Int(limits.whole) + 64 }
}

private enum Seen: Equatable {
  case response(ResponseFrame)
  case section(SectionName, ByteBuffer)
  case failed
}

private func drive(_ setup: Setup, _ chunks: [ByteBuffer]) -> [Seen] {
  var framer = ResponseFramer(limits: setup.limits)
  var seen: [Seen] = []
  var announced: Int64 = 0
  var section: (name: SectionName, bytes: ByteBuffer)?
  for chunk in chunks {
    framer.receive(chunk)
    loop: while true {
      let event = framer.next()
      switch event {
      case .needMore: break loop
      case .response(let frame):
        must(section == nil, "a response within a section")
        seen.append(.response(frame))
        read(frame, setup)
      case .sectionBegin(let fetch, let name, let size):
        must(fetch.streamed.last == name, "a section that its FETCH does not name")
        must(fetch.streamed.count <= setup.limits.streamedSections, "too many sections")
        announced = size
        section = (name, ByteBuffer())
      case .sectionBytes(let piece):
        must(piece.readableBytes > 0, "octets of a section that are none")
        section?.bytes.writeImmutableBuffer(piece)
        must(Int64(section?.bytes.readableBytes ?? 0) <= announced, "a section is longer than announced")
      case .sectionEnd:
        must(Int64(section?.bytes.readableBytes ?? -1) == announced, "a section is shorter than announced")
        if let section { seen.append(.section(section.name, section.bytes)) }
        section = nil
      case .failed:
        must(framer.next() == event, "a framer that has failed changes its mind")
        seen.append(.failed)
        return seen
      }
    }
    must(framer.bufferedByteCount <= setup.mostHeld, "\(framer.bufferedByteCount) octets are held")
  }
  return seen
}

private func read(_ frame: ResponseFrame, _ setup: Setup) {
  guard let response = try? frame.parse(options: setup.options, limits: setup.limits) else { return }
  switch response {
  case .flags(let flags): check(flags)
  case .search(let line): must(line.numbers.count <= setup.limits.numbers, "too many numbers")
  case .sort(let line): must(line.numbers.count <= setup.limits.numbers, "too many numbers")
  case .thread(let members):
    must(members.count <= setup.limits.numbers, "too many numbers")
    must(members.allSatisfy { $0.number > 0 || $0.children > 1 }, "a missing parent with one child")
    // Written again, and in pieces, it is the same threads.
    var buffer = ByteBuffer()
    var writer = ThreadWriter(members)
    buffer.writeThreadStart(isEmpty: members.isEmpty)
    while !writer.isDone { writer.write(3, into: &buffer) }
    must(
      (try? ResponseFrame(buffer).parse(options: setup.options, limits: .standard)) == .thread(members),
      "threads change when they are written and read")
  case .vanished(_, let ranges): must(ranges.count <= setup.limits.setElements, "too many ranges")
  case .fetch(let fetch):
    // RFC 9586 §3.3: a UIDFETCH has the UID alone.
    must(fetch.sequence > 0 || (fetch.uid ?? 0) > 0, "message 0")
    if let flags = fetch.flags { check(flags) }
    if let structure = fetch.structure { must(depth(structure) <= setup.limits.nesting, "a structure too deep") }
  case .status(let line), .tagged(_, let line):
    // A code can be written again, on one line; but the names of charsets may be literals.
    guard let code = line.code else { return }
    if case .badCharset = code { return }
    var buffer = ByteBuffer()
    buffer.writeResponseCode(code)
    must(!buffer.readableBytesView.contains(0x0A), "a code of two lines")
    must(!code.name.contains(" "), "a code's name with a space")
  default: break
  }
}

/// A flag that is sent on must not bring a line end along.
private func check(_ flags: FlagList) {
  must((flags.keywords + flags.ignored).allSatisfy { $0.utf8.allSatisfy { $0 > 0x20 } }, "a flag of two lines")
}

private func depth(_ body: BodyStructureValue) -> Int { 1 + (body.children.map(depth).max() ?? 0) }
