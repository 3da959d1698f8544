import BlobStore
import MailStore

/// Packs with a damaged copy of the dictionary that they begin with (docs/decisions/045-dictionaries-in-packs.md).
extension VolumeRepair {
  /// Mail of packs whose dictionary has a damaged copy goes to others while there is one.
  func mendHeads() throws(StoreError) {
    for pack in catalog.damagedHeads {
      var slice = try blobs(of: pack, after: -1)
      if slice.isEmpty { continue }
      // Without room the rest is repaired all the same; the check that follows names the pack.
      guard try hasRoom(for: pack) else { continue }
      did("packs with a damaged copy of their dictionary written anew")
      if options.dryRun { continue }
      while let last = slice.last, try copy(slice) { slice = try blobs(of: pack, after: last.location.offset) }
    }
    if !options.dryRun, !catalog.damagedHeads.isEmpty {
      try blobCall { () throws(BlobError) in try packs.sync(.copied) }
    }
  }

  /// False: the disk is full, or fails.
  private func copy(_ blobs: [BlobRow]) throws(StoreError) -> Bool {
    for blob in blobs {
      let place: BlobLocation
      do throws(BlobError) { place = try packs.copyFrame(blob.location) } catch {
        if case .corrupt = error { continue }
        return false
      }
      try move(blob, to: place)
    }
    return true
  }

  /// Frames in the order in which they lie, not all of a large pack at once.
  private func blobs(of pack: Int64, after offset: Int64) throws(StoreError) -> [BlobRow] {
    let rows = try db(
      """
      SELECT b.id, b.offset, b.frame, b.size FROM blob b WHERE b.pack = ? AND b.offset > ?
        AND NOT EXISTS (SELECT 1 FROM damaged d WHERE d.pack = b.pack AND d.offset = b.offset)
      ORDER BY b.offset LIMIT ?
      """)
    rows.bind(1, pack)
    rows.bind(2, offset)
    rows.bind(3, StoreLimits.compactionSlice)
    return try all(rows) { row in
      BlobRow(
        id: row.int(0),
        location: BlobLocation(pack: pack, offset: row.int(1), frameLength: row.int(2), rawSize: row.int(3)))
    }
  }

  private func hasRoom(for pack: Int64) throws(StoreError) -> Bool {
    let octets = try bound(try db("SELECT SUM(frame) FROM blob WHERE pack = ?"), pack).first { $0.int(0) } ?? 0
    guard let free = FreeSpace.ofVolume(packs.directory) else { return true }
    return free >= octets
  }
}
