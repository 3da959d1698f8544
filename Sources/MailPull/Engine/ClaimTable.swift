import LocalMail

/// Entries at home that a message not recognised by its UIDL may turn out to be. Each stands for one message: two messages
/// of the same content in the drop are two at home.
struct ClaimTable: Sendable {
  private struct Candidate {
    var entry: JournalEntry
    var isTaken = false
  }
  private var candidates: [Candidate] = []
  private var byFingerprint: [Fingerprint: [Int]] = [:]
  private var bySize: [Int64: [Int]] = [:]
  private var left = 0

  var isEmpty: Bool { left == 0 }

  mutating func add(_ entry: JournalEntry) {
    byFingerprint[entry.fingerprint, default: []].append(candidates.count)
    bySize[entry.octets, default: []].append(candidates.count)
    candidates.append(Candidate(entry: entry))
    left += 1
  }

  /// The entry whose bytes these are. What is gone from the server counts only under its own UIDL: elsewhere an equal
  /// message is one that was never brought home.
  mutating func claim(_ fingerprint: Fingerprint, uidl: String?) -> JournalEntry? {
    take(byFingerprint[fingerprint] ?? [], uidl: uidl) { _ in true }
  }

  /// The entry of this size whose first lines are the same.
  mutating func claim(top: [UInt8], octets: Int64, uidl: String?) -> JournalEntry? {
    take(bySize[octets] ?? [], uidl: uidl) { $0.topHash == top }
  }

  /// Some entry of this size has a hash of its first lines: TOP may save a RETR.
  func mayKnow(octets: Int64, uidl: String?) -> Bool {
    (bySize[octets] ?? []).contains { place in
      !candidates[place].isTaken && candidates[place].entry.topHash != nil && Self.fits(candidates[place].entry, uidl)
    }
  }

  private static func fits(_ entry: JournalEntry, _ uidl: String?) -> Bool {
    entry.state != .gone || (uidl != nil && entry.uidl == uidl)
  }

  private mutating func take(
    _ places: [Int], uidl: String?, where isMeant: (JournalEntry) -> Bool
  ) -> JournalEntry? {
    var best: Int?
    for place in places where !candidates[place].isTaken {
      let entry = candidates[place].entry
      guard Self.fits(entry, uidl), isMeant(entry) else { continue }
      if entry.uidl == uidl {
        best = place
        break
      }
      best = best ?? place
    }
    guard let best else { return nil }
    candidates[best].isTaken = true
    left -= 1
    return candidates[best].entry
  }
}
