import LocalMail
import NIOCore
public import NIOPosix

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// An mbox file. A batch is appended as a whole; before, a note of where it begins, and how, is on the disk, so that after a
/// crash what is complete is adopted and a torn rest is cut off, and nothing else is.
public final class MboxTarget: PullTarget, HeldLanding {
  public let path: String
  public var name: String { "mbox:\(path)" }
  public var traits: PullTargetTraits { PullTargetTraits(verifies: true, recovers: true, acknowledgesEach: false) }
  private let writer: MboxWriter
  private let spoolFolder: String
  private let notePath: String
  private let threads: NIOThreadPool

  /// - owner: different for each account, so that none writes over the note of another that was cut short.
  /// - spoolFolder: for the note, and for messages too large to hold.
  public init(path: String, owner: String = "", spoolFolder: String, threads: NIOThreadPool) {
    self.path = path
    self.spoolFolder = spoolFolder
    self.threads = threads
    writer = MboxWriter(path: path)
    notePath = "\(spoolFolder)/\(JournalName.of("mbox", owner, path)).note"
  }

  public func prepare() async throws {
    try await threads.runIfActive { [spoolFolder] in try PullFiles.makeFolder(spoolFolder) }
  }

  /// Other programs rewrite the file as they like; that it is there is all its mark says.
  public func place() async throws -> PullPlace {
    try await threads.runIfActive { [path] in
      if access(path, F_OK) == 0 { return .marked(Self.mark) }
      guard errno == noFileCode || errno == noFolderCode else { throw PullFiles.failure("stat", path) }
      return .unmarked
    }
  }

  public func setMark(_ mark: String) async throws -> String { Self.mark }
  private static let mark = "file"

  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    try await threads.runIfActive { [writer, notePath] in
      // Another batch's note: this one had not begun.
      guard let note = MboxNote.read(notePath), entries.allSatisfy({ $0.receipt == note.token }) else {
        return entries.map { _ in .absent }
      }
      return try MboxRecovery(writer: writer, note: note).run(entries.map(\.fingerprint))
    }
  }

  public func openBatch() async throws -> any PullBatch { HeldBatch(self) }

  func plan(_ messages: [HeldMessage]) async throws -> [String] {
    let token = MboxNote.newToken()
    return messages.map { _ in token }
  }

  func land(
    _ messages: [HeldMessage], plan: [String], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome] {
    try await threads.runIfActive { [self] in
      var note = MboxNote(token: plan.first ?? "", length: 0, beginnings: [])
      let entries = try messages.map { message in
        let beginning = try message.content.beginning()
        note.beginnings.append(MboxNote.beginning(beginning))
        return MboxMessage(Self.content(message.content), sender: Self.sender(beginning))
      }
      let places = try writer.append(entries) { length throws(LocalMailError) in
        note.length = length
        try note.write(notePath)
      }
      guard places.map(\.fingerprint) == messages.map(\.fingerprint) else {
        throw LocalMailError(.differs, path: path)
      }
      return places.map { .landed(receipt: "\($0.offset) \($0.length)") }
    }
  }

  private static func sender(_ beginning: ByteBuffer) -> String {
    var probe = MessageProbe()
    probe.update(beginning)
    return probe.returnPath()
  }

  private static func content(_ content: HeldContent) -> MboxMessage.Content {
    switch content {
    case .whole(let bytes): .bytes(bytes)
    // A file without a name has one here as long as it is open.
    case .spooled(let file): .file("/dev/fd/\(file.descriptor)")
    }
  }

  public func openStream(octets: Int64) async throws -> any PullStream {
    try await SpoolStream.open(folder: spoolFolder, threads: threads)
  }

  public func close() async {}
}
