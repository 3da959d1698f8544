import MailStore

extension MailboxView {
  /// As `collectFlags`, for a client that keeps MODSEQs (RFC 7162 §3.1): it hears of every message whose MODSEQ is another
  /// one, though the flags be what they were, and of its own silent STORE the MODSEQs.
  func collectChanges(
    _ difference: MailboxSnapshot.Difference, own: OwnStore?, shifted: Bool, into update: inout ViewUpdate
  ) {
    var gone = 0
    func place(_ index: Int) -> Int {
      guard shifted else { return index }
      while gone < difference.expunged.count, difference.expunged[gone] < index { gone += 1 }
      return index - gone
    }
    guard let own else {
      update.flags = difference.updated.map { (place($0.index), $0.entry) }
      return
    }
    var before = EntryWalk(told)
    func takeUpdated(_ index: Int, _ entry: MessageEntry) {
      guard own.isSilent, own.indexes.contains(index), own.expected(before.entry(at: index)).hasSameFlags(as: entry)
      else {
        update.flags.append((place(index), entry))
        return
      }
      if own.tellsModSeqs { update.modSeqs.append((place(index), entry)) }
    }
    func takeUnchanged(_ index: Int) {
      let entry = before.entry(at: index)
      if own.isSilent, !own.failed.contains(index) {
        update.modSeqs.append((place(index), entry))
      } else {
        update.flags.append((place(index), entry))
      }
    }
    // RFC 7162 §3.1.3: a conditional STORE reports all that it did, silent or not, and should report what it left alone.
    var reported = own.failed
    if !own.isSilent || own.isConditional {
      reported = IndexRanges(merging: own.indexes.ranges + own.failed.ranges)
    }
    var updated = difference.updated[...]
    var expunged = difference.expunged[...]
    reported.forEach { index in
      while let first = updated.first, first.index < index {
        takeUpdated(first.index, first.entry)
        updated = updated.dropFirst()
      }
      while let first = expunged.first, first < index { expunged = expunged.dropFirst() }
      if let first = updated.first, first.index == index {
        takeUpdated(index, first.entry)
        updated = updated.dropFirst()
      } else if expunged.first != index {
        takeUnchanged(index)
      }
    }
    for (index, entry) in updated { takeUpdated(index, entry) }
  }
}
