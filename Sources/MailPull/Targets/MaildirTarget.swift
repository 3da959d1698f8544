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
  private let owner: String
  /// `new` and `cur` are known to survive a power cut. Seen to before the first message, so that a run that brings none
  /// costs no flush.
  private let isDurable = Mutex(false)

  /// - owner: stands in the names of drafts, so that those a crash left are known and removed. Different for each
  ///   account; empty: they stay until somebody tidies `tmp`.
  public init(
    directory: String, owner: String = "", settings: LandingSettings = LandingSettings(), threads: NIOThreadPool
  ) {
    var settings = settings
    if !owner.isEmpty { settings.owner = owner }
    self.owner = owner
    self.directory = directory
    self.threads = threads
    folder = MaildirFolder(directory: directory)
    landing = MaildirLanding(folder: folder, settings: settings, threads: threads)
  }

  public func prepare() async throws {
    try await threads.runIfActive { [self] in
      if try !MaildirTree(root: directory).isThere() { try makeDurable() }
      if !owner.isEmpty { _ = try folder.removeTemporary(ofOwner: owner) }
    }
  }

  /// The mark is the one that `pull imap` sets as well.
  private static let markName = ".merpati-root"
  private var markPath: String { "\(directory)/\(Self.markName)" }

  public func place() async throws -> PullPlace {
    try await threads.runIfActive { [markPath] in
      do {
        let text = try PullFiles.read(markPath, limit: PullLimits.mark)
        let mark = String(decoding: text.prefix { $0 != 0x0A }, as: UTF8.self)
        return mark.isEmpty ? .unmarked : .marked(mark)
      } catch let error as LocalMailError {
        guard case .io(_, let code) = error.kind, code == noFileCode || code == noFolderCode else { throw error }
        return .unmarked
      }
    }
  }

  public func setMark(_ mark: String) async throws -> String {
    try await threads.runIfActive { [self] in
      // By its name the next `prepare` removes it, should this be cut short.
      let draft = "\(directory)/tmp/merpati-\(owner).\(mark)"
      do {
        try PullFiles.create(draft, with: Array("\(mark)\n".utf8))
        guard rename(draft, markPath) == 0 else { throw PullFiles.failure("rename", markPath) }
      } catch {
        unlink(draft)
        throw error
      }
      try PullFiles.syncFolder(of: markPath)
      return mark
    }
  }

  /// Blocks.
  private func makeDurable() throws {
    try isDurable.withLock { isDurable in
      if isDurable { return }
      try MaildirTree(root: directory).create()
      isDurable = true
    }
  }

  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    try await threads.runIfActive { [self, folder] in
      try makeDurable()
      var found: [String: MaildirEntry]?
      if entries.count > PullLimits.singleLooks {
        found = Dictionary(try folder.scan().map { ($0.base, $0) }, uniquingKeysWith: { first, _ in first })
      }
      var result: [PullRecovery] = []
      for entry in entries {
        let file = try found.map { $0[entry.receipt] } ?? folder.find(base: entry.receipt)
        let isOurs = try file.map { try folder.fingerprint(of: $0) == entry.fingerprint } ?? false
        result.append(isOurs ? .landed(receipt: entry.receipt) : .absent)
      }
      // The run that renamed them may have ended before it synced the folder.
      if result.contains(where: { $0 != .absent }) { try folder.sync() }
      return result
    }
  }

  public func openBatch() async throws -> any PullBatch {
    try await threads.runIfActive { [self] in try makeDurable() }
    return MaildirBatch(landing: landing)
  }

  public func openStream(octets: Int64) async throws -> any PullStream {
    try await threads.runIfActive { [self] in try makeDurable() }
    return MaildirStream(try await landing.begin(flags: MaildirFlags(), isNew: true, date: nil), landing: landing)
  }

  public func close() async {}
}

/// Files in `tmp`.
final class MaildirBatch: PullBatch {
  private let landing: MaildirLanding
  private let files = Mutex<[StagedFile]>([])

  init(landing: MaildirLanding) { self.landing = landing }

  func add(_ messages: [PullContent]) async throws -> [Fingerprint] {
    var streamed: [Int: StagedFile] = [:]
    var whole: [IncomingMessage] = []
    for (index, message) in messages.enumerated() {
      switch message {
      case .whole(let bytes): whole.append(IncomingMessage(bytes, flags: MaildirFlags(), isNew: true, date: nil))
      case .stream(let stream):
        guard let file = (stream as? MaildirStream)?.takeFile() else {
          throw PullError(.impossible("a stream of another target"), account: "")
        }
        streamed[index] = file
      }
    }
    do {
      var next = try await landing.stage(whole)[...]
      let staged = messages.indices.compactMap { streamed[$0] ?? next.popFirst() }
      files.withLock { $0 += staged }
      return staged.map(\.fingerprint)
    } catch {
      for file in streamed.values { landing.discard(file) }
      throw error
    }
  }

  func plan() async throws -> [String] {
    files.withLock { $0.map { $0.base } }
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
