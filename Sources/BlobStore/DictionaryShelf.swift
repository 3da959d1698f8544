import Synchronization

/// Dictionaries that are ready for reading, those used last. Safe from any thread.
public final class DictionaryShelf: Sendable {
  private struct State {
    /// Used last at the end.
    var kept: [PackDictionary] = []
    /// Those that were nowhere, and until when they are not looked for again.
    var missing: [UInt32: ContinuousClock.Instant] = [:]
    /// Packs whose first copy could not be read.
    var suspects: Set<Int64> = []
  }

  private let state = Mutex(State())
  /// Looks into other packs; knows which one has been looked into.
  private let elsewhere: @Sendable (_ id: UInt32, _ pack: Int64) -> PackDictionary?

  public init() { elsewhere = { _, _ in nil } }
  init(elsewhere: @escaping @Sendable (UInt32, Int64) -> PackDictionary?) { self.elsewhere = elsewhere }

  func add(_ dictionary: PackDictionary) { state.withLock { Self.add(dictionary, to: &$0) } }

  private static func add(_ dictionary: PackDictionary, to state: inout State) {
    state.missing[dictionary.id] = nil
    state.kept.removeAll { $0.id == dictionary.id }
    state.kept.append(dictionary)
    if state.kept.count > DictionaryLimits.kept { state.kept.removeFirst() }
  }

  /// From memory, from the pack that names it, or from another one that has it. Blocks. `corrupt`: it is nowhere.
  func find(_ id: UInt32, in handle: any FileHandle, of pack: Int64) throws(BlobError) -> PackDictionary {
    let (known, isMissing) = state.withLock { state -> (PackDictionary?, Bool) in
      // Mostly there is one, and it is the last.
      guard let index = state.kept.lastIndex(where: { $0.id == id }) else {
        return (nil, state.missing[id].map { $0 > .now } ?? false)
      }
      let found = state.kept[index]
      if index != state.kept.count - 1 { state.kept.append(state.kept.remove(at: index)) }
      return (found, false)
    }
    if let known { return known }
    if !isMissing {
      let end = try handle.size()
      let head = PackHead(FrameReader(handle: handle, dictionaries: self), pack: pack, end: end)
      if head.isDamaged { state.withLock { _ = $0.suspects.insert(pack) } }
      let own = head.dictionary.flatMap { $0.id == id ? $0 : nil }
      if let found = own ?? elsewhere(id, pack) {
        add(found)
        return found
      }
      state.withLock { state in
        if state.missing.count > 1000 { state.missing = [:] }
        state.missing[id] = .now + .seconds(DictionaryLimits.patience)
      }
    }
    throw .corrupt(what: "\(handle.path): the dictionary of the pack is damaged or missing")
  }

  /// Packs of which a copy was found damaged since the last time.
  func takeSuspects() -> Set<Int64> {
    state.withLock { state in
      defer { state.suspects = [] }
      return state.suspects
    }
  }
}
