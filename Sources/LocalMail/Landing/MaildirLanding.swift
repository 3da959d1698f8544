public import NIOCore
public import NIOPosix
import Synchronization

/// Writes many messages into one folder and makes them durable together. Order: bytes into `tmp`, the kernel begins to
/// write at once; each synced, then read again from the disk and compared with its hash; all renamed into `new` or `cur`;
/// folder synced; only then do they count.
///
/// The folder itself must be durable: `MaildirTree.create` or `createFolder` see to it, also for one that is there.
///
/// The bytes are compared before the rename, not after it: a message that cannot be read again is never seen by anybody,
/// and no other program can have moved the file meanwhile.
public final class MaildirLanding: Sendable {
  public let folder: MaildirFolder
  let settings: LandingSettings
  let threads: NIOThreadPool
  var disk: any LocalDisk { folder.disk }

  private struct State {
    /// Files in `tmp` whose sync failed or that were not what was written: nothing can make them count.
    var spoiled: Set<String> = []
    /// Why the folder cannot be made durable any more.
    var broken: LocalMailError?
  }
  private let state = Mutex(State())

  public init(folder: MaildirFolder, settings: LandingSettings, threads: NIOThreadPool) {
    self.folder = folder
    self.settings = settings
    self.threads = threads
  }

  /// Writes a whole message on a worker thread.
  ///
  /// - Parameter date: INTERNALDATE, seconds since 1970; becomes the file's modification time. Nil: now.
  /// - Throws: `LocalMailError`; nothing is left in `tmp` then. `CancellationError`.
  public func stage(_ message: ByteBuffer, flags: MaildirFlags, isNew: Bool, date: Int64?) async throws -> StagedFile {
    let incoming = IncomingMessage(message, flags: flags, isNew: isNew, date: date)
    return try await threads.runIfActive { try self.write(incoming) }
  }

  /// The same for many with one change of thread. All or none.
  public func stage(_ messages: [IncomingMessage]) async throws -> [StagedFile] {
    try await threads.runIfActive {
      var staged: [StagedFile] = []
      staged.reserveCapacity(messages.count)
      do { for message in messages { staged.append(try self.write(message)) } } catch {
        for file in staged { self.discard(file) }
        throw error
      }
      return staged
    }
  }

  /// For messages too large to hold.
  public func begin(flags: MaildirFlags, isNew: Bool, date: Int64?) async throws -> StagedStream {
    let message = IncomingMessage(ByteBuffer(), flags: flags, isNew: isNew, date: date)
    return try await threads.runIfActive {
      let (file, unique) = try self.create()
      return StagedStream(
        self, MessageFileWriter(file, converts: self.settings.convertsToLF), unique: unique, message: message)
    }
  }

  /// Goes on with a file of `tmp` that an earlier run left. Throws `.missing` or `.differs` when it is not there as it
  /// was: then the message has to be fetched from the beginning.
  public func resume(_ partial: Partial, flags: MaildirFlags, isNew: Bool, date: Int64?) async throws -> StagedStream {
    let message = IncomingMessage(ByteBuffer(), flags: flags, isNew: isNew, date: date)
    return try await threads.runIfActive {
      let file = try self.disk.open(partial.temporaryPath, .readWrite)
      let writer = try MessageFileWriter(file, converts: self.settings.convertsToLF, resuming: partial)
      return StagedStream(self, writer, unique: partial.unique, message: message)
    }
  }

  /// Makes staged messages durable, verified and visible. What is returned, in the order of `files`, is all three. When it
  /// throws, none of `files` counts: those that were renamed already are taken back into `tmp`, from where they can be
  /// committed again, or discarded. Only a file whose own sync or comparison failed is removed, and once the folder could
  /// not be synced nothing is committed by this landing any more.
  ///
  /// - Throws: `LocalMailError` naming the file; `CancellationError`.
  public func commit(_ files: [StagedFile]) async throws -> [MaildirEntry] {
    guard !files.isEmpty else { return [] }
    try state.withLock { state throws(LocalMailError) in
      if let broken = state.broken { throw broken }
      for file in files where state.spoiled.contains(file.temporaryPath) {
        throw LocalMailError(.missing, path: file.temporaryPath)
      }
    }
    let dates = Mutex<[String: Int64]>([:])
    try await eachInParallel(files) { (file) throws(LocalMailError) in
      let date = try self.settle(file)
      dates.withLock { $0[file.temporaryPath] = date }
    }
    let found = dates.withLock { $0 }
    return try await threads.runIfActive { try self.publish(files, dates: found) }
  }

  /// Removes a staged file. Blocks for one call.
  public func discard(_ file: StagedFile) { try? disk.unlink(file.temporaryPath) }

  // MARK: Parts of a commit that others use

  func spoil(_ path: String) {
    state.withLock { _ = $0.spoiled.insert(path) }
    try? disk.unlink(path)
  }

  func breakDown(_ error: LocalMailError) { state.withLock { $0.broken = error } }

  /// Runs `body` for every file on the worker threads, several at a time; stops at the first error.
  private func eachInParallel(
    _ files: [StagedFile], _ body: @escaping @Sendable (StagedFile) throws(LocalMailError) -> Void
  ) async throws {
    let next = Cursor(count: files.count)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<min(files.count, LocalMailLimits.parallelFiles) {
        group.addTask {
          try await self.threads.runIfActive {
            while let index = next.take() {
              do { try body(files[index]) } catch {
                next.stop()
                throw error
              }
            }
          }
        }
      }
      // The first error is the one that is thrown; the others end before.
      try await group.waitForAll()
    }
  }
}

/// Numbers from 0 that many threads take, each once.
private final class Cursor: Sendable {
  private let next = Atomic(0)
  private let end: Atomic<Int>

  init(count: Int) { end = Atomic(count) }

  func take() -> Int? {
    let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
    return index < end.load(ordering: .relaxed) ? index : nil
  }

  func stop() { end.store(0, ordering: .relaxed) }
}

/// A message that is to be staged.
public struct IncomingMessage: Sendable {
  public var bytes: ByteBuffer
  public var flags: MaildirFlags
  public var isNew: Bool
  /// INTERNALDATE, seconds since 1970; nil: now.
  public var date: Int64?
  public init(_ bytes: ByteBuffer, flags: MaildirFlags, isNew: Bool, date: Int64?) {
    self.bytes = bytes
    self.flags = flags
    self.isNew = isNew
    self.date = date
  }
}
