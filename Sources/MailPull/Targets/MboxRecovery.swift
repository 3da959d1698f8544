import LocalMail
import NIOCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Looks at what an append that was cut short left in an mbox file. Blocks.
struct MboxRecovery {
  let writer: MboxWriter
  let note: MboxNote

  /// One answer for each message of the batch, in its order.
  func run(_ fingerprints: [Fingerprint]) throws -> [PullRecovery] {
    let size = try writer.length()
    guard size > note.length else { return fingerprints.map { _ in .absent } }
    var settings = MboxReadSettings()
    // What was appended is quoted.
    settings.usesContentLength = false
    let reader = try MboxReader(path: writer.path, settings: settings)
    var result: [PullRecovery] = []
    var sawAny = false
    while let entry = try reader.next() {
      guard entry.offset >= note.length else { continue }
      sawAny = true
      if result.count == fingerprints.count { break }
      if try reader.fingerprint(of: entry) == fingerprints[result.count] {
        result.append(.landed(receipt: "\(entry.offset) \(entry.length)"))
        continue
      }
      // Cut off what is ours and torn: only at the very end of the file, and only if it begins as ours does.
      if try reader.next() == nil, try isTorn(entry, reader, index: result.count) {
        try writer.recover(to: entry.offset, limit: size)
      }
      break
    }
    if !sawAny, try isTornFromLine(size) { try writer.recover(to: note.length, limit: size) }
    // What is adopted was perhaps not synced yet.
    if !result.isEmpty { try sync() }
    return result + fingerprints.dropFirst(result.count).map { _ in .absent }
  }

  /// What is there of the entry is how our message begins. A power cut may leave zeros where nothing was written yet.
  private func isTorn(_ entry: MboxEntry, _ reader: MboxReader, index: Int) throws -> Bool {
    guard note.beginnings.indices.contains(index) else { return false }
    let expected = note.beginnings[index]
    var found: [UInt8] = []
    try reader.forEachPiece(of: entry) { piece in
      if found.count < expected.count { found += piece.readableBytesView.prefix(expected.count - found.count) }
    }
    while found.last == 0 { found.removeLast() }
    return expected.starts(with: found)
  }

  /// Nothing but the beginning of a From line, which is nobody's message.
  private func isTornFromLine(_ size: Int64) throws -> Bool {
    guard size - note.length <= PullLimits.mboxFromLine else { return false }
    let descriptor = open(writer.path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw PullFiles.failure("open", writer.path) }
    defer { close(descriptor) }
    let tail = try PullFiles.readAt(
      descriptor, offset: note.length, count: Int(size - note.length), path: writer.path)
    let line = tail.drop { $0 == 0x0A }
    let word = Array("From ".utf8)
    return !line.contains(0x0A) && (line.starts(with: word) || word.starts(with: line) || line.allSatisfy { $0 == 0 })
  }

  private func sync() throws {
    let descriptor = open(writer.path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw PullFiles.failure("open", writer.path) }
    defer { close(descriptor) }
    try PullFiles.sync(descriptor, path: writer.path)
    try PullFiles.syncFolder(of: writer.path)
  }
}
