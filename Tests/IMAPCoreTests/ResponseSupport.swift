import Bytes
import IMAPCore
import NIOCore

/// Reads one response, given without its line end.
func response(
  _ line: String, options: WireOptions = .rev1, limits: ResponseLimits = .standard
) throws(ResponseSyntaxError) -> IMAPResponse {
  try ResponseFrame(bytes(line)).parse(options: options, limits: limits)
}

func fetched(_ items: String) throws -> FetchResponse {
  guard case .fetch(let fetch) = try response("* 1 FETCH (\(items))") else { throw NotThat() }
  return fetch
}

struct NotThat: Error {}

/// What a response framer made of some input, in a form that does not depend on how the input was cut.
enum ResponseSeen: Hashable, CustomStringConvertible {
  case line(String)
  case section(uid: UInt32?, SectionName, String)
  case failed

  var description: String {
    switch self {
    case .line(let line): line
    case .section(let uid, let name, let text): "section \(name) of \(uid ?? 0): \(text)"
    case .failed: "failed"
    }
  }
}

func drive(_ framer: inout ResponseFramer, _ chunks: [ByteBuffer]) -> [ResponseSeen] {
  var seen: [ResponseSeen] = []
  var section: (uid: UInt32?, name: SectionName, bytes: ByteBuffer)?
  for chunk in chunks {
    framer.receive(chunk)
    loop: while true {
      switch framer.next() {
      case .needMore: break loop
      case .response(let frame): seen.append(.line(String(buffer: frame.bytes)))
      case .sectionBegin(let fetch, let name, _): section = (fetch.uid, name, ByteBuffer())
      case .sectionBytes(let piece): section?.bytes.writeImmutableBuffer(piece)
      case .sectionEnd:
        if let section { seen.append(.section(uid: section.uid, section.name, String(buffer: section.bytes))) }
        section = nil
      case .failed:
        seen.append(.failed)
        return seen
      }
    }
  }
  return seen
}
