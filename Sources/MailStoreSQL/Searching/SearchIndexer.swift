import BlobStore
import Logging
import MailFormat
import MailStore
import SearchIndex

/// Whether a store keeps a search index.
public enum SearchIndexing: Sendable {
  /// None, and one that is there is thrown away.
  case off
  /// One that is there is kept, and not added to: for commands that open the store for a moment.
  case kept
  case on
}

/// Fills the search index behind the deliveries, on a thread of its own at a low priority, in slices. It asks nobody to tell
/// it of new mail: once a second it looks whether anything was committed, and which accounts have given out content numbers.
///
/// The index is a help and no more. Nobody waits for it; whatever happens to its file, it is thrown away and begun anew; a
/// message that is not in it is looked at by the search itself.
final class SearchIndexer: Sendable {
  struct State {
    var isStopped = false
    /// Nil: nothing may be asked of the index now.
    var generation: Int?
    var generations = 0
    var isDamaged = false
    /// How often somebody has asked for what is gone to be left out at once, and up to which of these it is done.
    var sweepsWanted = 0
    var sweepsDone = 0
    var status = SearchIndexStatus()
  }

  let place: IndexPlace
  let database: String
  let packs: PackStore
  let damage: DamageReports
  let freeSpace: FreeSpace
  let settings: StoreSettings
  let logger: Logger
  let state = Monitor(State())
  private let thread = BackgroundThread("store-search", niceness: 15)

  init(
    _ place: IndexPlace, database: String, packs: PackStore, damage: DamageReports, freeSpace: FreeSpace,
    settings: StoreSettings, logger: Logger
  ) {
    self.place = place
    self.database = database
    self.packs = packs
    self.damage = damage
    self.freeSpace = freeSpace
    self.settings = settings
    self.logger = logger
  }

  static func path(_ volume: String) -> String { "\(volume)/search.sqlite" }

  /// Before anything is delivered: an index that knows content numbers which the volume has not given out is another's, as
  /// after an older `mail.sqlite` was put in place, and the numbers would come to mean other messages.
  /// - Returns: where the index is; nil: there is none to be kept.
  static func check(
    _ volume: String, _ db: SQLConnection, _ indexing: SearchIndexing, logger: Logger
  ) throws(StoreError) -> IndexPlace? {
    let path = path(volume)
    if indexing == .off {
      IndexPlace.remove(path)
      return nil
    }
    if indexing == .kept, !FileSizes.exists(path) { return nil }
    let store = try db("SELECT value FROM volume_state WHERE name = 'store_id'").first { $0.int(0) } ?? 0
    let place = IndexPlace(path: path, store: "\(store)/\(MessageSummary.parserVersion)")
    guard FileSizes.exists(path) else { return place }
    var given: [Int64: Int64] = [:]
    try db("SELECT account, next_content FROM account_state").forEach { given[$0.int(0)] = $0.int(1) }
    do throws(IndexError) {
      let writer = try IndexWriter(place)
      for (account, last) in try writer.reached() where last >= given[account] ?? 0 {
        try writer.drop(account: account)
      }
    } catch {
      logger.notice("the search index is begun anew: \(error)")
      place.remove()
    }
    return place
  }

  func start() throws(StoreError) {
    try thread.start { [self] in run() }
  }

  /// Ends after the message under way. Blocks.
  func stop() {
    state.broadcast { $0.isStopped = true }
    thread.join()
  }

  var isStopping: Bool { state.withLock { $0.isStopped } }

  /// Names what may be asked; another one, and the file is another. Nil: nothing may be asked.
  var generation: Int? { state.withLock { $0.generation } }

  func status() -> SearchIndexStatus {
    var status = state.withLock { $0.status }
    status.octets = place.octets
    return status
  }

  /// A reader could not use the index.
  func report(_ error: IndexError, generation: Int) {
    state.broadcast { state in
      guard state.generation == generation else { return }
      // What the system refuses it may grant the next time; damage stays.
      guard case .damaged = error else { return }
      state.generation = nil
      state.isDamaged = true
    }
    if case .damaged = error { logger.notice("the search index is damaged and is begun anew: \(error)") }
  }

  /// What is gone is left out now, rather than within minutes, and its disk given back. Blocks, but not for ever.
  func sweepNow() {
    guard thread.isRunning else { return }
    var mine = 0
    state.broadcast { state in
      state.sweepsWanted += 1
      mine = state.sweepsWanted
    }
    _ = state.wait(milliseconds: StoreLimits.searchIndexPatience) { state -> Bool? in
      state.sweepsDone >= mine || state.isStopped ? true : nil
    }
  }

  // MARK: The thread

  private func run() {
    var work: SearchIndexWork?
    var pause = 0
    // When it was thrown away last.
    var discarded: Int64?
    while true {
      let isStopped = state.wait(milliseconds: pause) { state -> Bool? in
        if state.isStopped { return true }
        if state.sweepsWanted > state.sweepsDone { return false }
        return state.isDamaged && pause <= settings.searchIndexPause ? false : nil
      }
      if isStopped == true { return }
      pause = settings.searchIndexPause
      let sweep = state.withLock { $0.sweepsWanted > $0.sweepsDone ? $0.sweepsWanted : nil }
      defer { if let sweep { state.broadcast { $0.sweepsDone = sweep } } }
      do {
        if state.withLock({ $0.isDamaged }) || work?.isInPlace == false {
          work = nil
          discard()
          // A disk that spoils whatever is written is not written to without a rest.
          let now = Clock.milliseconds()
          let isAgain = discarded.map { now - $0 < Int64(StoreLimits.searchIndexRetry) } ?? false
          discarded = now
          if isAgain {
            pause = settings.searchIndexPause * 10
            continue
          }
        }
        if work == nil {
          work = try SearchIndexWork(self)
          state.withLock { state in
            state.generations += 1
            state.generation = state.generations
          }
        }
        try work?.round()
        if sweep != nil { try work?.sweepAll() }
        state.withLock { $0.status.trouble = nil }
      } catch let error as IndexError {
        work = nil
        fail("\(error)")
        if case .damaged = error { discard() }
        pause = StoreLimits.searchIndexRetry
      } catch {
        if error as? StoreError == .shuttingDown { return }
        fail("\(error)")
        pause = StoreLimits.searchIndexRetry
      }
    }
  }

  private func discard() {
    state.withLock { state in
      state.generation = nil
      state.isDamaged = false
    }
    place.remove()
  }

  private func fail(_ what: String) {
    let isNew = state.withLock { state in
      defer { state.status.trouble = what }
      return state.status.trouble == nil
    }
    if isNew { logger.warning("the search index is not added to for the moment: \(what)") }
  }
}
