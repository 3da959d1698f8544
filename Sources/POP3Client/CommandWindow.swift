/// Commands on the way and the octets their answers will bring. Full, it is refilled when half of it is empty, so that small
/// messages do not cost a write each.
struct CommandWindow {
  let commands: Int
  let octets: Int64
  private(set) var sent = 0
  private(set) var answered = 0
  /// What is still expected of each command on the way, the oldest first, as a ring.
  private var expected: [Int64]
  private var outstanding: Int64 = 0

  init(commands: Int, octets: Int64 = POP3ClientLimits.windowOctets) {
    self.commands = max(1, min(commands, POP3ClientLimits.windowCommands))
    self.octets = octets
    expected = Array(repeating: 0, count: self.commands)
  }

  var onTheWay: Int { sent - answered }

  /// Half of it is empty.
  var wantsMore: Bool { onTheWay == 0 || (onTheWay * 2 <= commands && outstanding * 2 <= octets) }

  /// Counts one more command, if there is room for it. The last one may go beyond the octets, however large its answer:
  /// else the server would be idle for a round trip before every large message.
  mutating func admit(_ size: Int64) -> Bool {
    let size = max(POP3ClientLimits.leastOctets, min(size, 1 << 40))
    guard onTheWay < commands, outstanding < octets else { return false }
    expected[sent % commands] = size
    outstanding += size
    sent += 1
    return true
  }

  /// A part of the oldest answer has come.
  mutating func received(_ octets: Int) {
    guard onTheWay > 0 else { return }
    let part = min(Int64(octets), expected[answered % commands])
    expected[answered % commands] -= part
    outstanding -= part
  }

  /// The oldest answer has come whole.
  mutating func complete() {
    guard onTheWay > 0 else { return }
    outstanding -= expected[answered % commands]
    answered += 1
  }
}
