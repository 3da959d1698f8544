/// What is wrong with a configuration of accounts, said so that it can be mended.
public struct PullConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  public var file: String
  /// From 1.
  public var line: Int?
  public var account: String?
  public var key: String?
  public var reason: String

  public var description: String {
    var text = file
    if let line { text += ":\(line)" }
    if let account { text += ": account '\(account)'" }
    if let key { text += ": \(key)" }
    return "\(text): \(reason)"
  }
}

/// Which of the words that are known was meant.
enum Spelling {
  static func nearest(to word: String, in known: [String]) -> String? {
    let wanted = Array(word.lowercased().utf8.prefix(64).map { $0 == 0x5F ? 0x2D : $0 })
    let scored = known.map { (word: $0, distance: distance(wanted, Array($0.utf8))) }
    guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
    return best.distance <= max(2, wanted.count / 3) ? best.word : nil
  }

  /// Insertions, deletions, changes and swaps of neighbours that lead from one to the other.
  private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
    var beforeLast: [Int] = []
    var last = Array(0...second.count)
    for row in first.indices {
      var next = [row + 1]
      for column in second.indices {
        var cost = min(last[column + 1] + 1, next[column] + 1, last[column] + (first[row] == second[column] ? 0 : 1))
        if row > 0, column > 0, first[row] == second[column - 1], first[row - 1] == second[column] {
          cost = min(cost, beforeLast[column - 1] + 1)
        }
        next.append(cost)
      }
      beforeLast = last
      last = next
    }
    return last[second.count]
  }
}
