import Synchronization

/// Dictionaries that are ready for reading, those used last. Safe from any thread.
public final class DictionaryShelf: Sendable {
  private struct State {
    /// Used last at the end.
    var kept: [PackDictionary] = []
    /// Those that were nowhere, by the packs that need them, and until when they are not looked for again.
    var missing: [Want: Missing] = [:]
    /// Packs of which a copy could not be read.
    var suspects: Set<Int64> = []
  }

  /// Of the pack as well: what one pack has lost another may still have.
  private struct Want: Hashable {
    var id: UInt32
    var pack: Int64
  }

  private struct Missing {
    var until: ContinuousClock.Instant
    /// What kept it from being found; nil: it is nowhere.
    var failure: BlobError?
  }

  private let state = Mutex(State())
  /// One at a time looks through all packs.
  private let searching = Mutex(())
  /// Looks into other packs; knows which one has been looked into.
  private let elsewhere: @Sendable (_ id: UInt32, _ pack: Int64) throws(BlobError) -> PackDictionary?

  public init() { elsewhere = { (_, _) throws(BlobError) in nil } }
  init(elsewhere: @escaping @Sendable (UInt32, Int64) throws(BlobError) -> PackDictionary?) {
    self.elsewhere = elsewhere
  }

  func add(_ dictionary: PackDictionary) { state.withLock { Self.add(dictionary, to: &$0) } }

  private static func add(_ dictionary: PackDictionary, to state: inout State) {
    if !state.missing.isEmpty { state.missing = state.missing.filter { $0.key.id != dictionary.id } }
    state.kept.removeAll { $0.id == dictionary.id }
    state.kept.append(dictionary)
    if state.kept.count > DictionaryLimits.kept { state.kept.removeFirst() }
  }

  /// From memory, from the pack that names it, or from another one that has it. Blocks. `corrupt`: it is nowhere; `io`: it may
  /// be where nothing could be read just now.
  ///
  /// - isProven: the checksum of the frame that needs it holds.
  func find(
    _ id: UInt32, in handle: any FileHandle, of pack: Int64, isProven: Bool = true
  ) throws(BlobError) -> PackDictionary {
    if let known = known(id) { return known }
    try checkMissing(id, handle, pack)
    let end = try handle.size()
    let head = PackHead(FrameReader(handle: handle, dictionaries: self), pack: pack, end: end)
    let own = head.dictionary.flatMap { $0.id == id ? $0 : nil }
    if isProven, own == nil || head.whole < PackHead.copies { state.withLock { _ = $0.suspects.insert(pack) } }
    if let own {
      add(own)
      return own
    }
    return try searching.withLock { _ throws(BlobError) in
      // Somebody else may have looked meanwhile.
      if let known = known(id) { return known }
      try checkMissing(id, handle, pack)
      var failure = head.failure
      do throws(BlobError) {
        if let found = try elsewhere(id, pack) {
          add(found)
          return found
        }
      } catch {
        failure = failure ?? error
      }
      state.withLock { state in
        if state.missing.count > 1000 { state.missing = [:] }
        state.missing[Want(id: id, pack: pack)] = Missing(
          until: .now + .seconds(DictionaryLimits.patience), failure: failure)
      }
      throw failure ?? Self.nowhere(handle)
    }
  }

  private func known(_ id: UInt32) -> PackDictionary? {
    state.withLock { state in
      // Mostly there is one, and it is the last.
      guard let index = state.kept.lastIndex(where: { $0.id == id }) else { return nil }
      let found = state.kept[index]
      if index != state.kept.count - 1 { state.kept.append(state.kept.remove(at: index)) }
      return found
    }
  }

  private func checkMissing(_ id: UInt32, _ handle: any FileHandle, _ pack: Int64) throws(BlobError) {
    let missing = state.withLock { $0.missing[Want(id: id, pack: pack)] }
    if let missing, missing.until > .now { throw missing.failure ?? Self.nowhere(handle) }
  }

  private static func nowhere(_ handle: any FileHandle) -> BlobError {
    .corrupt(what: "\(handle.path): the dictionary of the pack is damaged or missing")
  }

  /// Packs of which a copy was found damaged since the last time.
  func takeSuspects() -> Set<Int64> {
    state.withLock { state in
      defer { state.suspects = [] }
      return state.suspects
    }
  }
}
