import IMAPCore
import MailNet
import MailStore

extension IMAPSession {
  /// What VANISHED (EARLIER) names (RFC 7162 §3.2.5.1, §3.2.6): UIDs of `ranges` (ascending) whose messages went after
  /// `modSeq`. Not those that this client still counts, which it hears of by a VANISHED of its own, and not those that it
  /// has never heard of.
  func vanished(
    _ ranges: [ClosedRange<UID>], since modSeq: ModSeq, _ view: MailboxView
  ) async throws(CommandError) -> [ClosedRange<UID>] {
    let told = view.told
    guard told.uidNext > 1, modSeq < told.highestModSeq else { return [] }
    let end = told.uidNext - 1
    let wanted = ranges.filter { $0.lowerBound <= end }.map { $0.lowerBound...min($0.upperBound, end) }
    guard let first = wanted.first, let last = wanted.last else { return [] }
    let ref = view.mailbox.ref
    let logged = try await storeCall { store throws(StoreError) in
      try await store.vanished(first.lowerBound...last.upperBound, since: modSeq, in: ref)
    }
    guard !isOver else { throw .connectionClosed }
    return await offLoop {
      if let logged { Self.logged(logged, wanted, told) } else { Self.absent(wanted, told) }
    }
  }

  private static func logged(
    _ uids: [UID], _ wanted: [ClosedRange<UID>], _ told: MailboxSnapshot
  ) -> [ClosedRange<UID>] {
    var wanted = wanted[...]
    var kept: [UID] = []
    for uid in uids {
      while let first = wanted.first, first.upperBound < uid { wanted = wanted.dropFirst() }
      guard let first = wanted.first else { break }
      if first.contains(uid), told.index(of: uid) == nil { kept.append(uid) }
    }
    return Array(CompactRanges(kept))
  }

  /// RFC 7162 §3.2.6: where it is not known any more, all that are not there.
  private static func absent(_ wanted: [ClosedRange<UID>], _ told: MailboxSnapshot) -> [ClosedRange<UID>] {
    var result: [ClosedRange<UID>] = []
    for range in wanted {
      var next = range.lowerBound
      let lower = told.lowerBound(range.lowerBound)
      let upper = range.upperBound == .max ? told.count : told.lowerBound(range.upperBound + 1)
      told.forEach(in: lower..<upper) { _, entry in
        if next < entry.uid { result.append(next...entry.uid - 1) }
        next = entry.uid + 1
      }
      if next <= range.upperBound { result.append(next...range.upperBound) }
    }
    return result
  }

  /// Many UIDs go in lines of bounded length.
  func writeVanishedEarlier(_ ranges: [ClosedRange<UID>]) async throws(CommandError) {
    for start in stride(from: 0, to: ranges.count, by: Self.rangesPerLine) {
      connection.out.writeVanished(ranges[start..<min(start + Self.rangesPerLine, ranges.count)], earlier: true)
      guard await drained() else { throw .connectionClosed }
    }
  }

  static let rangesPerLine = 1000
}
