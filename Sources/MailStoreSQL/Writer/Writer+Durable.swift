import BlobStore
import MailStore

/// How a commit reaches the disk, on the writer's thread.
extension Writer {
  func makeDurable(
    _ batch: inout [WriteJob], _ outcomes: inout [StoreError?]
  ) throws(StoreError) -> Publication? {
    guard transaction.hasWritten else {
      try transaction.db("ROLLBACK").run()
      transaction.end()
      return nil
    }
    try reserveMarks()
    try transaction.flush(try appendFrames())
    // First the bytes: a row must never point to bytes that a power cut may take away. Without bytes there is nothing to
    // sync, and STORE or EXPUNGE need no file descriptor.
    if !transaction.frames.isEmpty {
      try syncFrames()
      try joinLate(&batch, &outcomes)
    }
    // Then the rows. With synchronous = FULL this returns after the WAL was synced.
    do throws(StoreError) { try transaction.db("COMMIT").run() } catch {
      if error.precedesSync { throw error }
      poison(error)
      throw error
    }
    let publication = transaction.publication()
    transaction.end()
    return publication
  }

  /// Whoever came while bytes were synced and brings none shares this commit: he would wait for this one's end and two
  /// syncs more.
  private func joinLate(_ batch: inout [WriteJob], _ outcomes: inout [StoreError?]) throws(StoreError) {
    let late = takeLate()
    guard !late.isEmpty else { return }
    let frames = transaction.frames.count
    batch += late
    for job in late { outcomes.append(try attempt(job)) }
    try reserveMarks()
    try transaction.flush(try appendFrames())
    // None of them brings bytes; but the order holds for whoever should one day.
    if transaction.frames.count > frames { try syncFrames() }
  }

  /// Before anybody can hear of numbers beyond the marks (design §4, high-water mark).
  private func reserveMarks() throws(StoreError) {
    do throws(StoreError) { try marks.reserve(for: transaction) } catch {
      // Nothing was given out. Only after a failed sync is it unknown what the marks' file holds.
      if !error.precedesSync { poison(error) }
      throw error
    }
  }

  private func appendFrames() throws(StoreError) -> [BlobLocation] {
    guard !transaction.unplacedFrames.isEmpty else { return [] }
    do { return try packs.append(Array(transaction.unplacedFrames)) } catch { throw StoreError(error) }
  }

  private func syncFrames() throws(StoreError) {
    do { try packs.sync(.appended) } catch {
      let error = StoreError(error)
      poisonIfPacksFailed(error)
      throw error
    }
  }
}
