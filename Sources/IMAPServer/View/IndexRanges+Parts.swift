import IMAPCore
import MailStore

extension IndexRanges {
  /// The messages at these places among all of them.
  func part(_ places: Range<Int>) -> IndexRanges {
    var result = IndexRanges()
    var before = 0
    for range in ranges {
      let lower = max(places.lowerBound - before, 0)
      let upper = min(places.upperBound - before, range.count)
      if lower < upper { result.append(range.lowerBound + lower..<range.lowerBound + upper) }
      before += range.count
      if before >= places.upperBound { break }
    }
    return result
  }

  /// Those that are not in `other`.
  func subtracting(_ other: IndexRanges) -> IndexRanges {
    guard !other.isEmpty else { return self }
    var result = IndexRanges()
    var rest = other.ranges[...]
    for range in ranges {
      var start = range.lowerBound
      while let first = rest.first, first.upperBound <= start { rest = rest.dropFirst() }
      for hole in rest {
        guard hole.lowerBound < range.upperBound else { break }
        if start < hole.lowerBound { result.append(start..<hole.lowerBound) }
        start = max(start, hole.upperBound)
      }
      if start < range.upperBound { result.append(start..<range.upperBound) }
    }
    return result
  }

  /// Messages by UID, ascending; those that are not there are passed over.
  init(of uids: [UID], in snapshot: MailboxSnapshot) {
    self.init()
    for uid in uids { if let index = snapshot.index(of: uid) { append(index) } }
  }

  /// Those with a higher MODSEQ.
  func changed(since modSeq: ModSeq, in snapshot: MailboxSnapshot) -> IndexRanges {
    var result = IndexRanges()
    for range in ranges {
      snapshot.forEach(in: range) { index, entry in if entry.modSeq > modSeq { result.append(index) } }
    }
    return result
  }

  /// Those that have all of these flags.
  func marked(_ flags: SystemFlags, in snapshot: MailboxSnapshot) -> IndexRanges {
    var result = IndexRanges()
    for range in ranges {
      snapshot.forEach(in: range) { index, entry in if entry.flags.isSuperset(of: flags) { result.append(index) } }
    }
    return result
  }

  /// The highest MODSEQ among them; nil: there are none.
  func highestModSeq(in snapshot: MailboxSnapshot) -> ModSeq? {
    var highest: ModSeq?
    for range in ranges { snapshot.forEach(in: range) { _, entry in highest = max(highest ?? 0, entry.modSeq) } }
    return highest
  }
}

extension IMAPSession {
  /// Of more messages than one command may touch the last are taken (RFC 9738 §3.1). Returns the code that says so.
  func limit(_ indexes: inout IndexRanges, _ told: MailboxSnapshot) -> ResponseCode? {
    let limit = settings.messageLimit
    guard limit > 0, indexes.count > limit else { return nil }
    indexes = indexes.part(indexes.count - limit..<indexes.count)
    return .messageLimit(UInt32(clamping: limit), lowest: indexes.first.map { told[$0].uid })
  }
}

extension ResponseCode {
  var isMessageLimit: Bool { if case .messageLimit = self { true } else { false } }
}
