public import LocalMail
import NIOCore
public import NIOPosix
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A Maildir folder. Names are chosen before anything is renamed and stand in the journal, so a file that landed in a run
/// cut short is found again and adopted.
public final class MaildirTarget: PullTarget {
  public let directory: String
  public var name: String { "maildir:\(directory)" }
  public var traits: PullTargetTraits { PullTargetTraits(verifies: true, recovers: true, acknowledgesEach: false) }
  private let landing: MaildirLanding
  private let folder: MaildirFolder
  private let threads: NIOThreadPool

  public init(directory: String, settings: LandingSettings = LandingSettings(), threads: NIOThreadPool) {
    self.directory = directory
    self.threads = threads
    folder = MaildirFolder(directory: directory)
    landing = MaildirLanding(folder: folder, settings: settings, threads: threads)
  }

  public func prepare() async throws {
    try await threads.runIfActive { [directory] in try MaildirTree(root: directory).create() }
  }

  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    try await threads.runIfActive { [folder] in
      var found: [String: MaildirEntry]?
      if entries.count > PullLimits.singleLooks {
        found = Dictionary(try folder.scan().map { ($0.base, $0) }, uniquingKeysWith: { first, _ in first })
      }
      var result: [PullRecovery] = []
      for entry in entries {
        let plan = MaildirPlan(entry.receipt)
        let file = try found.map { $0[plan.base] } ?? folder.find(base: plan.base)
        if let file, try folder.fingerprint(of: file) == entry.fingerprint {
          result.append(.landed(receipt: plan.base))
        } else {
          // Never renamed: its draft in `tmp` is of no use.
          if let draft = plan.draft, Self.isDraft(draft, of: folder.directory) { unlink(draft) }
          result.append(.absent)
        }
      }
      // The run that renamed them may have ended before it synced the folder.
      if result.contains(where: { $0 != .absent }) { try folder.sync() }
      return result
    }
  }

  private static func isDraft(_ path: String, of directory: String) -> Bool {
    path.hasPrefix("\(directory)/tmp/") && !path.dropFirst(directory.count + 5).contains("/")
  }

  public func openBatch() async throws -> any PullBatch { MaildirBatch(landing: landing) }

  public func openStream(octets: Int64) async throws -> any PullStream {
    MaildirStream(try await landing.begin(flags: MaildirFlags(), isNew: true, date: nil), landing: landing)
  }

  public func close() async {}
}

/// What the journal says of a file before it is renamed: its base, and its path in `tmp`.
struct MaildirPlan {
  var base: String
  var draft: String?

  init(base: String, draft: String) {
    self.base = base
    self.draft = draft
  }

  /// The base has no blank.
  init(_ receipt: String) {
    let parts = receipt.split(separator: " ", maxSplits: 1)
    base = parts.first.map(String.init) ?? ""
    draft = parts.count > 1 ? String(parts[1]) : nil
  }

  var receipt: String { draft.map { "\(base) \($0)" } ?? base }
}

/// Files in `tmp`.
final class MaildirBatch: PullBatch {
  private let landing: MaildirLanding
  private let files = Mutex<[StagedFile]>([])

  init(landing: MaildirLanding) { self.landing = landing }

  func add(_ message: ByteBuffer) async throws -> Fingerprint {
    let file = try await landing.stage(message, flags: MaildirFlags(), isNew: true, date: nil)
    files.withLock { $0.append(file) }
    return file.fingerprint
  }

  func add(_ stream: any PullStream) async throws {
    guard let stream = stream as? MaildirStream, let file = stream.takeFile() else {
      throw PullError(.impossible("a stream of another target"), account: "")
    }
    files.withLock { $0.append(file) }
  }

  func plan() async throws -> [String] {
    files.withLock { $0.map { MaildirPlan(base: $0.base, draft: $0.temporaryPath).receipt } }
  }

  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome] {
    let staged = files.withLock { $0 }
    let landed = Set(try await landing.commit(staged).map(\.base))
    files.withLock { $0.removeAll { landed.contains($0.base) } }
    return staged.map {
      landed.contains($0.base)
        ? .landed(receipt: $0.base) : .deferred("the file was not moved out of \($0.temporaryPath)")
    }
  }

  func discard() async {
    let rest = files.withLock { files in
      defer { files.removeAll() }
      return files
    }
    for file in rest { landing.discard(file) }
  }
}

/// A large file in `tmp`.
final class MaildirStream: PullStream {
  private let stream: StagedStream
  private let file = Mutex<StagedFile?>(nil)
  private let landing: MaildirLanding

  init(_ stream: StagedStream, landing: MaildirLanding) {
    self.stream = stream
    self.landing = landing
  }

  func append(_ bytes: ByteBuffer) async throws { try await stream.append(bytes) }

  func finish() async throws -> Fingerprint {
    let finished = try await stream.finish()
    file.withLock { $0 = finished }
    return finished.fingerprint
  }

  func takeFile() -> StagedFile? {
    file.withLock { file in
      defer { file = nil }
      return file
    }
  }

  func discard() async {
    if let file = takeFile() { landing.discard(file) } else { await stream.discard() }
  }
}
