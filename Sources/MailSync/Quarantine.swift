import IMAPCore
public import LocalMail
public import NIOPosix

/// What was deleted, kept for some days; and the way back.
public struct Quarantine: Sendable {
  private let state: SyncState
  private let local: any SyncLocal

  init(state: SyncState, local: any SyncLocal) {
    self.state = state
    self.local = local
  }

  /// The quarantine of a Maildir++ tree that `pull imap` keeps, without its server. Blocks for some milliseconds; locked
  /// against runs until `close`.
  public static func open(tree: MaildirTree, threads: NIOThreadPool) throws -> Quarantine {
    Quarantine(
      state: try SyncState(folder: tree.root, account: nil),
      local: MaildirLocal(tree: tree, settings: LandingSettings(), threads: threads))
  }

  /// Ends what `open` began.
  public func close() { state.close() }

  /// Newest first.
  /// - since: seconds since 1970.
  public func list(since: Int64 = 0) async throws -> [QuarantinedMessage] { try await state.quarantined(since: since) }

  /// Puts everything back that was deleted at or after `since` (seconds since 1970). Returns what is back.
  public func undo(since: Int64) async throws -> [QuarantinedMessage] { try await restore(list(since: since)) }

  public func restore(ids: [Int64]) async throws -> [QuarantinedMessage] {
    let wanted = Set(ids)
    let all = try await list()
    for id in ids where !all.contains(where: { $0.id == id }) { throw SyncError.noSuchMessage("quarantine \(id)") }
    return try await restore(all.filter { wanted.contains($0.id) })
  }

  /// Files go back into their folders with their flags; a two-way sync then sends them to the server again. Records go last:
  /// after a crash, one without a file means that the file is back.
  private func restore(_ messages: [QuarantinedMessage]) async throws -> [QuarantinedMessage] {
    var restored: [QuarantinedMessage] = []
    for (key, group) in Dictionary(grouping: messages, by: { Key(folder: $0.folder, day: $0.day) }) {
      let place = LocalPlace.folder(key.folder)
      let files = Dictionary(try await local.scan(.quarantine(day: key.day)).map { ($0.base, $0) }) { first, _ in first
      }
      if try await !local.folders().contains(key.folder) { try await local.createFolder(key.folder) }
      let here = group.compactMap { files[$0.base] }
      let moved = try await local.move(here, from: .quarantine(day: key.day), to: place)
      let flags = group.compactMap { message in
        // It was deleted with \Deleted set, perhaps: that would only delete it again.
        moved[message.base].map {
          ($0, SyncFlags(message.flags.system.subtracting(.deleted), keywords: message.flags.keywords))
        }
      }
      if !flags.isEmpty { _ = try await local.setFlags(flags, in: place) }
      try await state.forgetQuarantined(group.map(\.id))
      restored += group.filter { moved[$0.base] != nil }
    }
    return restored.sorted { $0.id < $1.id }
  }

  private struct Key: Hashable {
    var folder: [String]
    var day: String
  }

  /// Removes what is older, files first. Returns how many.
  ///
  /// Not at the first pass that finds it too old, but at one a day later or more: a clock that is wrong for an hour must not
  /// empty the quarantine.
  @discardableResult
  func purge(days: Int, now: Int64) async throws -> Int {
    let old = try await state.quarantined().filter { $0.at < now - Int64(days) * 86_400 }
    let due = try await state.info(Self.dueKey).flatMap(Int64.init)
    guard !old.isEmpty else {
      if due != nil { try await state.setInfo(Self.dueKey, "") }
      return 0
    }
    guard let due, due <= now else {
      try await state.setInfo(Self.dueKey, "\(now)")
      return 0
    }
    guard now - due >= SyncLimits.quarantineGrace else { return 0 }
    for (day, group) in Dictionary(grouping: old, by: \.day) {
      let bases = Set(group.map(\.base))
      let files = try await local.scan(.quarantine(day: day)).filter { bases.contains($0.base) }
      try await local.remove(files, from: .quarantine(day: day))
      try await state.forgetQuarantined(group.map(\.id))
    }
    return old.count
  }

  private static let dueKey = "quarantine due"
}
