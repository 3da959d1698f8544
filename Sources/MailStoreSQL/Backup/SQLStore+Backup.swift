import BlobStore
public import MailStore
import Synchronization

extension SQLStore {
  public func beginBackup(into target: String?) async throws(StoreError) -> any BackupHold {
    try snapshots.claim()
    let hold = SQLBackupHold(store: self)
    do throws(StoreError) {
      let place = target ?? SnapshotTaker.folder(volumePath)
      let databases = (mail: upkeep.database, directory: "\(folder)/directory.sqlite")
      if target == nil {
        let octets = FileSizes.of(databases.mail) + FileSizes.of(databases.directory)
        try BackupFiles.requireFree(octets, in: volumePath, for: "a copy of the database while the backup runs")
        // What an earlier backup could not clear away, when its files would not go.
        try BackupFiles().removeTree(place)
        try BackupFiles().makeFolder(place)
      }
      hold.ownFolder = target == nil ? place : nil
      let mail = try SQLConnection.reader(path: databases.mail)
      let directory: SQLConnection
      do throws(StoreError) { directory = try SQLConnection.reader(path: databases.directory) } catch {
        mail.close()
        throw error
      }
      let snapshots = snapshots
      let pins = pins
      let packFolder = packs.directory
      let now = settings.now()
      // One thread at a time uses the two connections: the writer's here, the copying one after it.
      let marks: (store: Int64, epoch: Int64)
      do throws(StoreError) {
        marks = try await writer.alone { writer throws(StoreError) in
          if let error = writer.hasFailed { throw error }
          // Between two commits: directory, volume, epoch and packs are of one moment.
          let epoch = try writer.beginMarkEpoch()
          try mail.beginReading()
          try directory("BEGIN").run()
          _ = try directory("SELECT COUNT(*) FROM account").first { $0.int(0) }
          pins.holdPacks()
          hold.holdsPacks.store(true, ordering: .releasing)
          return (writer.marks.store, epoch)
        }
      } catch {
        mail.close()
        directory.close()
        throw error
      }
      // The read transactions end with the copy, so the WAL grows no longer than that takes.
      try await snapshots.run { isStopping throws(StoreError) in
        defer {
          mail.close()
          directory.close()
        }
        try DatabaseCopy.copy(mail, to: "\(place)/mail.sqlite", isStopping: isStopping)
        try DatabaseCopy.copy(directory, to: "\(place)/directory.sqlite", isStopping: isStopping)
      }
      hold.set(
        BackupSnapshot(folder: place, packs: packFolder, store: marks.store, epoch: marks.epoch, taken: now))
      return hold
    } catch {
      await hold.end()
      throw error
    }
  }
}

/// See `BackupHold`.
final class SQLBackupHold: BackupHold {
  private let pins: PinRegistry
  private let snapshots: SnapshotTaker
  private let state = Mutex((snapshot: BackupSnapshot?.none, folder: String?.none))
  let holdsPacks = Atomic(false)
  private let hasEnded = Atomic(false)

  init(store: SQLStore) {
    pins = store.pins
    snapshots = store.snapshots
  }

  deinit { letGo() }

  var snapshot: BackupSnapshot {
    state.withLock {
      $0.snapshot ?? BackupSnapshot(folder: "", packs: "", store: 0, epoch: 0, taken: 0)
    }
  }

  /// The folder of the copies, when it goes with the hold.
  var ownFolder: String? {
    get { state.withLock { $0.folder } }
    set { state.withLock { $0.folder = newValue } }
  }

  func set(_ snapshot: BackupSnapshot) { state.withLock { $0.snapshot = snapshot } }

  func end() async { letGo() }

  private func letGo() {
    guard !hasEnded.exchange(true, ordering: .acquiringAndReleasing) else { return }
    if holdsPacks.exchange(false, ordering: .acquiringAndReleasing) { pins.releasePacks() }
    if let ownFolder { try? BackupFiles().removeTree(ownFolder) }
    snapshots.release()
  }
}

/// The thread that copies databases for a backup; one backup at a time.
final class SnapshotTaker: Sendable {
  private struct State {
    var isClaimed = false
    var isStopped = false
    var thread: StoreThread?
  }
  private let state = Mutex(State())
  private let stopping = Atomic(false)

  static func folder(_ volume: String) -> String { "\(volume)/snapshot" }

  /// Of a process that was killed during a backup.
  static func removeLeftovers(_ volume: String) { try? BackupFiles().removeTree(folder(volume)) }

  func claim() throws(StoreError) {
    try state.withLock { state throws(StoreError) in
      if state.isStopped { throw .shuttingDown }
      guard !state.isClaimed else {
        throw .database(message: "a backup of this store is under way already; wait for its end, or stop it")
      }
      state.isClaimed = true
    }
  }

  func release() { state.withLock { $0.isClaimed = false } }

  func run(
    _ body: @escaping @Sendable (_ isStopping: () -> Bool) throws(StoreError) -> Void
  ) async throws(StoreError) {
    let result: Result<Void, StoreError> = await withUnsafeContinuation { continuation in
      let old = state.withLock { state -> StoreThread? in
        let old = state.thread
        state.thread =
          state.isStopped
          ? nil
          : StoreThread("store-backup") { [self] in
            let result: Result<Void, StoreError>
            do throws(StoreError) {
              result = .success(try body { stopping.load(ordering: .acquiring) })
            } catch { result = .failure(error) }
            continuation.resume(returning: result)
          }
        if state.thread == nil { continuation.resume(returning: .failure(.shuttingDown)) }
        return old
      }
      // It has ended: its backup was over before this one could begin.
      old?.join()
    }
    try result.get()
  }

  /// Ends the copy under way. Blocks.
  func stop() {
    stopping.store(true, ordering: .releasing)
    let thread = state.withLock { state -> StoreThread? in
      state.isStopped = true
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }
}
