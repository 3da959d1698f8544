/// Other packs of the same folder, for what one has lost.
extension DictionaryShelf {
  /// For packs that belong to no `PackStore`. `open` is called for one of `packs` at a time, `missing` passes over it; what it gives
  /// is closed again.
  public convenience init(
    packs: [Int64], open: @escaping @Sendable (Int64) throws(BlobError) -> any FileHandle
  ) {
    self.init { id, pack throws(BlobError) in try Self.search(id, besides: pack, in: packs, open: open) }
  }

  /// Another pack's copy of a dictionary. Throws where a pack could not be opened, or its beginning not be read: nothing is known
  /// of it then.
  static func search(
    _ id: UInt32, besides pack: Int64, in packs: [Int64], open: (Int64) throws(BlobError) -> any FileHandle
  ) throws(BlobError) -> PackDictionary? {
    // The same one is in packs that were begun one after the other.
    let others = packs.filter { $0 != pack }.sorted { ($0 - pack).magnitude < ($1 - pack).magnitude }
    var failure: BlobError?
    for other in others {
      do throws(BlobError) {
        if let found = try look(for: id, in: other, open) { return found }
      } catch {
        if case .io = error, failure == nil { failure = error }
      }
    }
    if let failure { throw failure }
    return nil
  }

  private static func look(
    for id: UInt32, in pack: Int64, _ open: (Int64) throws(BlobError) -> any FileHandle
  ) throws(BlobError) -> PackDictionary? {
    let handle = try open(pack)
    defer { handle.close() }
    let end = try handle.size()
    let reader = FrameReader(handle: handle, dictionaries: DictionaryShelf())
    // A look at the first frame, before more is read.
    var scratch = BlobScratch()
    let first = try? reader.header(at: 0, end: end, pack: pack, first: 4 << 10, &scratch)
    if let first, first.dictionaryID != id { return nil }
    let head = PackHead(reader, pack: pack, end: end)
    if let found = head.dictionary, found.id == id { return found }
    if let failure = head.failure { throw failure }
    return nil
  }
}
