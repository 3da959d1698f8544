import Bytes

/// Names of header fields, looked up without ASCII case. Thousands cost no more than a few: a client may name as many as
/// fit into a command, and a sender may write a million fields.
public struct HeaderFieldNames: Sendable {
  /// Lower case.
  private let names: Set<[UInt8]>
  /// The same, where they are so few that comparing is faster than hashing: all names one behind the other, and where each
  /// ends.
  private let few: [UInt8]
  private let ends: [Int]
  /// Octets that a name begins with, in either case: bit `n % 64` of word `n / 64`.
  private let first: (UInt64, UInt64, UInt64, UInt64)
  /// Octets of the longest.
  let longest: Int
  private let hasEmpty: Bool

  public init(_ names: some Sequence<[UInt8]>) {
    self.names = Set(names.map { $0.map(\.asciiLowercased) })
    longest = self.names.lazy.map(\.count).max() ?? 0
    var few: [UInt8] = []
    var ends: [Int] = []
    var first: [UInt64] = [0, 0, 0, 0]
    for name in self.names {
      if self.names.count <= 8 {
        few += name
        ends.append(few.count)
      }
      guard let letter = name.first else { continue }
      for octet in [letter, letter >= 0x61 && letter <= 0x7A ? letter - 0x20 : letter] {
        first[Int(octet) / 64] |= 1 << UInt64(octet % 64)
      }
    }
    self.few = few
    self.ends = ends
    self.first = (first[0], first[1], first[2], first[3])
    hasEmpty = self.names.contains([])
  }

  /// False: no name begins like this line.
  @inline(__always)
  func mayBegin(_ octet: UInt8) -> Bool {
    if hasEmpty { return true }
    let word =
      switch octet >> 6 {
      case 0: first.0
      case 1: first.1
      case 2: first.2
      default: first.3
      }
    return word >> UInt64(octet & 63) & 1 != 0
  }

  func contains(_ bytes: RawSpan, _ name: Range<Int>) -> Bool {
    guard name.count <= longest else { return false }
    guard ends.isEmpty else { return isAmongFew(bytes, name) }
    var word: [UInt8] = []
    word.reserveCapacity(name.count)
    for offset in name { word.append(bytes.at(offset).asciiLowercased) }
    return names.contains(word)
  }

  private func isAmongFew(_ bytes: RawSpan, _ name: Range<Int>) -> Bool {
    var start = 0
    for end in ends {
      if end - start == name.count {
        var index = 0
        while index < name.count, bytes.at(name.lowerBound + index).asciiLowercased == few[start + index] { index += 1 }
        if index == name.count { return true }
      }
      start = end
    }
    return false
  }
}
