import BlobStore

/// Dictionaries of packs whose own copies are damaged: until the mail of such a pack is elsewhere, no other pack takes the last good
/// copies along. For one round of compaction, since it remembers what packs begin with.
struct NeededDictionaries {
  typealias Head = (id: UInt32, whole: Int)

  private let packs: PackStore
  /// Octets in use, by packs, at the beginning of the round.
  private let live: [Int64: Int64]
  /// By the packs that need them.
  private var needed: [Int64: Head] = [:]
  private var heads: [Int64: Head?] = [:]

  init(_ packs: PackStore, live: [Int64: Int64], neededBy damaged: Set<Int64>) {
    self.packs = packs
    self.live = live
    for pack in damaged { needed[pack] = head(pack) }
  }

  private mutating func head(_ pack: Int64) -> Head? {
    if let known = heads[pack] { return known }
    let found = packs.headState(pack)
    heads.updateValue(found, forKey: pack)
    return found
  }

  /// The mail of a pack has left it, or what is left cannot be read.
  mutating func forget(_ pack: Int64) { needed[pack] = nil }

  /// The pack has a good copy of what another one needs, and there is no third that has both, and mail of its own that keeps it:
  /// on a full disk all packs of one dictionary must not hold each other.
  mutating func hold(_ pack: Int64) -> Bool {
    let others = needed.filter { $0.key != pack }
    guard !others.isEmpty, let own = head(pack), own.whole > 0, others.values.contains(where: { $0.id == own.id })
    else { return false }
    for other in packs.packs().reversed() where other.number != pack && live[other.number] ?? 0 > 0 {
      guard needed[other.number] == nil, let known = head(other.number) else { continue }
      if known.id == own.id, known.whole == PackHead.copies { return false }
    }
    return true
  }

  /// Whose turn is first: packs that only give room; those with a damaged copy, the ones that live by others' copies before; the
  /// rest.
  mutating func rank(_ pack: Int64) -> Int {
    if needed.isEmpty { return 0 }
    if live[pack] ?? 0 == 0, !hold(pack) { return 0 }
    guard let head = needed[pack] else { return 3 }
    return head.whole == 0 ? 1 : 2
  }
}
