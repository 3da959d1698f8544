/// Messages of like size: what is true of the content of some is taken to be true of the others.
enum SizeClass {
  /// Upper bounds, exclusive: 4 KiB, 16 KiB … 64 MiB; the last class has none.
  static let bounds: [Int64] = (0..<8).map { 4096 << (2 * Int64($0)) }
  static let count = bounds.count + 1

  static func of(_ octets: Int64) -> Int { bounds.firstIndex { octets < $0 } ?? bounds.count }
}

/// Octets and messages of each size class.
struct ClassSums: Sendable {
  var octets = [Int64](repeating: 0, count: SizeClass.count)
  var messages = [Int](repeating: 0, count: SizeClass.count)

  mutating func add(_ size: Int64) {
    let index = SizeClass.of(size)
    octets[index] = octets[index].adding(size)
    messages[index] += 1
  }

  var totalOctets: Int64 { octets.total }
  var totalMessages: Int { messages.reduce(0, +) }
}

/// Which messages are looked at: of each size class as many as its share of all octets deserves, and never less than
/// `AdviceLimits.structureSamplePerClass` where there are so many; within a class evenly over the order they are in
/// (mailbox by mailbox, old to new). The same mailbox gives the same sample.
enum StratifiedSample {
  /// How many of each class. The sum is at most `limit`.
  static func allotment(_ sums: ClassSums, limit: Int) -> [Int] {
    let all = sums.totalMessages
    guard all > limit else { return sums.messages }
    let used = sums.messages.count { $0 > 0 }
    let least = min(AdviceLimits.structureSamplePerClass, limit / max(1, used))
    var allotted = sums.messages.map { min($0, least) }
    // What is left goes by octets, and once more for what a class could not take.
    for _ in 0..<SizeClass.count {
      let left = limit - allotted.reduce(0, +)
      let open = sums.messages.indices.filter { allotted[$0] < sums.messages[$0] }
      let weight = open.reduce(0.0) { $0 + max(1, Double(sums.octets[$1])) }
      guard left > 0, !open.isEmpty else { break }
      for index in open {
        let share = Int(Double(left) * max(1, Double(sums.octets[index])) / weight)
        allotted[index] = min(sums.messages[index], allotted[index] + share)
      }
    }
    return allotted
  }

  /// Indexes into `sizes`, ascending.
  static func pick(_ sizes: [Int64], sums: ClassSums, limit: Int) -> [Int] {
    let wanted = allotment(sums, limit: limit)
    var met = [Int](repeating: 0, count: SizeClass.count)
    var picked: [Int] = []
    for (index, size) in sizes.enumerated() {
      let sizeClass = SizeClass.of(size)
      let (have, want) = (sums.messages[sizeClass], wanted[sizeClass])
      // Bresenham's line: `want` marks spread over `have` places.
      if have > 0, (met[sizeClass] + 1) * want / have > met[sizeClass] * want / have { picked.append(index) }
      met[sizeClass] += 1
    }
    return picked
  }
}

/// The shares of headers, text and attachments in each size class, from the sample.
struct ContentShares: Sendable {
  private struct Class: Sendable {
    var messages = 0
    var headers = 0.0
    var text = 0.0
    var attachments = 0.0
    var unsplit = 0.0
    var all: Double { headers + text + attachments + unsplit }
  }
  private var classes = [Class](repeating: Class(), count: SizeClass.count)

  mutating func add(_ content: ContentOctets, size: Int64) {
    let index = SizeClass.of(size)
    classes[index].messages += 1
    classes[index].headers += Double(max(0, content.headerOctets))
    classes[index].text += Double(max(0, content.textOctets))
    classes[index].attachments += Double(max(0, content.attachmentOctets))
    classes[index].unsplit += Double(max(0, content.unsplitOctets))
  }

  var sampled: Int { classes.reduce(0) { $0 + $1.messages } }

  /// What messages of these sizes consist of. The parts add up to the octets given.
  func content(of sums: ClassSums) -> ContentOctets {
    var result = ContentOctets()
    for (index, octets) in sums.octets.enumerated() where octets > 0 {
      let part = split(octets, classes[index])
      result.headerOctets = result.headerOctets.adding(part.headerOctets)
      result.textOctets = result.textOctets.adding(part.textOctets)
      result.attachmentOctets = result.attachmentOctets.adding(part.attachmentOctets)
      result.unsplitOctets = result.unsplitOctets.adding(part.unsplitOctets)
    }
    return result
  }

  private func split(_ octets: Int64, _ shares: Class) -> ContentOctets {
    guard shares.all > 0 else { return ContentOctets(unsplitOctets: octets) }
    var left = octets
    func take(_ part: Double) -> Int64 {
      let taken = min(left, Int64(octets: Double(octets) * (part / shares.all)))
      left -= taken
      return taken
    }
    var result = ContentOctets(
      headerOctets: take(shares.headers), textOctets: take(shares.text), attachmentOctets: take(shares.attachments))
    // Rounding leaves an octet or two: they go where most is.
    if shares.unsplit > 0 {
      result.unsplitOctets = left
    } else if shares.attachments >= shares.text {
      result.attachmentOctets += left
    } else {
      result.textOctets += left
    }
    return result
  }

  /// Mean octets of header, each class weighing as many messages as it has; nil: no sample.
  func headerOctetsPerMessage(_ sums: ClassSums) -> Double? {
    var (octets, messages) = (0.0, 0.0)
    for (index, shares) in classes.enumerated() where shares.messages > 0 && sums.messages[index] > 0 {
      octets += shares.headers / Double(shares.messages) * Double(sums.messages[index])
      messages += Double(sums.messages[index])
    }
    return messages > 0 ? octets / messages : nil
  }
}
