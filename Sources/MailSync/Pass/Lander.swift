import IMAPCore
import LocalMail
import NIOCore

/// Brings fetched messages into files, a batch at a time, and journals each step: first the base names the files will get,
/// then that they are there. A run that ends in between is put right by the next one (`MoveMatcher.settleLanding`).
struct Lander: Sendable {
  enum Target: Sendable, Hashable {
    /// The mailbox's own folder.
    case folder
    /// Before a message is expunged.
    case quarantine(day: String)
  }
  struct Item: Sendable {
    var index: Int
    var row: KnownMessage
    var bytes: ByteBuffer
  }
  struct Landed: Sendable {
    var index: Int
    /// As it is in the state now.
    var row: KnownMessage
    var file: LocalMessage
  }

  let job: SyncJob
  let mailbox: KnownMailbox
  let target: Target

  var place: LocalPlace {
    switch target {
    case .folder: .folder(mailbox.local)
    case .quarantine(let day): .quarantine(day: day)
    }
  }

  /// Files that do not count yet.
  struct Staged: Sendable {
    var rows: [(index: Int, row: KnownMessage)]
    var files: [StagedFile]
  }

  /// Writes files; one batch at a time.
  func stage(_ items: [Item]) async throws -> Staged {
    let incoming = items.map { Incoming(bytes: $0.bytes, flags: visible($0.row), date: $0.row.date?.seconds) }
    let staged = try await job.local.stage(incoming, in: place)
    var rows = items.map(\.row)
    for (index, item) in items.enumerated() where rows[index].messageID == nil {
      rows[index].messageID = MessageIDField.read(item.bytes)
    }
    return Staged(rows: zip(items.map(\.index), rows).map { ($0, $1) }, files: staged)
  }

  func discard(_ staged: Staged) async { await job.local.discard(staged.files, in: place) }

  /// What is missing in the result did not land.
  func finish(_ staged: Staged) async throws -> [Landed] { try await finish(staged.rows, staged.files) }

  func finish(_ rows: [(index: Int, row: KnownMessage)], _ staged: [StagedFile]) async throws -> [Landed] {
    var rows = rows
    for index in rows.indices {
      rows[index].row.fingerprint = staged[index].fingerprint
      rows[index].row.agreed = visible(rows[index].row)
      rows[index].row.base = staged[index].base
      rows[index].row.isLanded = false
    }
    try await journal(rows.map(\.row), "before landing")
    let files = try await job.local.commit(staged, in: place)
    var landed: [Landed] = []
    for (index, row) in rows {
      guard let base = row.base, let file = files[base] else { continue }
      var row = row
      row.isLanded = true
      row.withheld.formUnion(row.remote.keywords.subtracting(file.flags.keywords))
      row.agreed = visible(row)
      landed.append(Landed(index: index, row: row, file: file))
    }
    if target == .folder {
      try await job.state.save(MessageChanges(saved: landed.map(\.row)), in: mailbox.id, "landed")
    }
    return landed
  }

  private func visible(_ row: KnownMessage) -> SyncFlags {
    SyncFlags(row.remote.system, keywords: row.remote.keywords.subtracting(row.withheld))
  }

  private func journal(_ rows: [KnownMessage], _ what: String) async throws {
    switch target {
    case .folder: try await job.state.save(MessageChanges(saved: rows), in: mailbox.id, what)
    case .quarantine(let day):
      let now = job.now()
      try await job.state.record(
        rows.compactMap { row in
          guard let base = row.base else { return nil }
          return QuarantinedMessage(
            folder: mailbox.local, day: day, base: base, origin: base, flags: row.remote, size: row.size,
            fingerprint: row.fingerprint, uidValidity: mailbox.uidValidity, uid: row.uid, at: now)
        })
    }
  }
}
