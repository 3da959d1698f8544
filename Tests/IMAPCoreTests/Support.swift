import Bytes
import IMAPCore
import NIOCore

/// A generator that gives the same numbers for the same seed (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

func bytes(_ string: String) -> ByteBuffer { ByteBuffer(string: string) }

/// Reads one command line, given without its line end.
func parse(
  _ line: String, options: WireOptions = .rev1, limits: IMAPLimits = .standard
) throws(IMAPSyntaxError) -> Command {
  try CommandFrame(bytes("t " + line)).parse(options: options, limits: limits).command
}

/// What a framer made of some input, in a form that does not depend on how the input was cut.
enum Seen: Hashable, CustomStringConvertible {
  case event(FramerEvent)
  case message(ByteBuffer)

  var description: String {
    switch self {
    case .event(let event): "\(event)"
    case .message(let bytes): "message(\(String(buffer: bytes)))"
    }
  }
}

/// What the caller of a framer does with messages of APPEND.
enum AppendPolicy: Hashable { case accept, refuse, refuseAfterFirstOctets }

/// Feeds `chunks` and collects all events but `needMore`; octets of one message are put together.
func drive(
  _ framer: inout CommandFramer, _ chunks: [ByteBuffer], append: AppendPolicy = .accept,
  expectLines: (CommandFrame) -> Bool = { _ in false }
) -> [Seen] {
  var seen: [Seen] = []
  var message = ByteBuffer()
  for chunk in chunks {
    framer.receive(chunk)
    loop: while true {
      let event = framer.next()
      switch event {
      case .needMore: break loop
      case .appendMessage:
        seen.append(.event(event))
        if append == .refuse { framer.refuseCommand() } else { framer.acceptMessage() }
      case .appendText:
        seen.append(.event(event))
        framer.acceptMessage()
      case .appendBytes(var bytes):
        message.writeBuffer(&bytes)
        if append == .refuseAfterFirstOctets { framer.refuseCommand() }
      case .appendMessageEnd:
        seen.append(.message(message))
        message = ByteBuffer()
      case .command(let frame):
        seen.append(.event(event))
        if expectLines(frame) { framer.expectLine() }
      case .close:
        seen.append(.event(event))
        return seen
      default:
        seen.append(.event(event))
      }
    }
  }
  return seen
}

/// `whole` cut in two behind every octet, and into single octets.
func everySplit(_ whole: ByteBuffer) -> [[ByteBuffer]] {
  let all = Array(whole.readableBytesView)
  var splits = (0...all.count).map { [ByteBuffer(bytes: all[..<$0]), ByteBuffer(bytes: all[$0...])] }
  splits.append(all.map { ByteBuffer(bytes: [$0]) })
  return splits
}
