public import LocalMail
public import NIOCore

/// What a target can do.
public struct PullTargetTraits: Sendable, Hashable {
  /// It reads back what it wrote before it says that a message landed.
  public var verifies: Bool
  /// After a run was cut short it can tell whether a message landed (`recover`), so nothing lands twice.
  public var recovers: Bool
  /// Messages land one by one in order, and the journal is told of each: a run cut short leaves one in doubt at most.
  public var acknowledgesEach: Bool

  public init(verifies: Bool, recovers: Bool, acknowledgesEach: Bool) {
    self.verifies = verifies
    self.recovers = recovers
    self.acknowledgesEach = acknowledgesEach
  }
}

/// What became of one message at the target.
public enum PullOutcome: Sendable, Hashable {
  /// Durable, and verified where the target can do so.
  case landed(receipt: String)
  /// It will never be taken; it stays on the server.
  case refused(String)
  /// Not now.
  case deferred(String)
  /// It may or may not have been taken: the line was cut before the answer.
  case unknown(String)
}

/// What became of a message whose landing was begun in an earlier run.
public enum PullRecovery: Sendable, Hashable {
  case landed(receipt: String)
  case absent
  case unknown
}

/// Where mail goes.
///
/// A batch is filled and then landed; two may be open at once, one being filled while the other lands. Between the two the
/// journal writes down what `plan` says, so that `recover` can find it after a crash.
public protocol PullTarget: Sendable {
  /// For people and for the journal's name: `maildir:/srv/budi/Mail`.
  var name: String { get }
  var traits: PullTargetTraits { get }
  /// Looked at before `prepare`, and creates nothing.
  func place() async throws -> PullPlace
  /// Called once for a place without a mark, after `prepare`: sets `mark` if it can, and returns what `place` finds from now
  /// on; durable.
  func setMark(_ mark: String) async throws -> String
  /// Makes ready, creates what may be created. Called before each session; idempotent.
  func prepare() async throws
  /// What became of messages whose landing an earlier run began, in the order of the journal; one answer each.
  func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery]
  func openBatch() async throws -> any PullBatch
  /// A message too large to hold, given piece by piece.
  func openStream(octets: Int64) async throws -> any PullStream
  func close() async
}

extension PullTarget {
  public func place() async throws -> PullPlace { .unknowable }
  public func setMark(_ mark: String) async throws -> String { mark }
}

/// Whether the target is the place that the journal speaks of: where a disk is not mounted an empty folder stands in its
/// stead, and what had come home is not there.
public enum PullPlace: Sendable, Hashable {
  /// Others keep what they took: an LMTP server, a command, a store.
  case unknowable
  /// New, or not there.
  case unmarked
  case marked(String)
}

/// A message as it came, lines ending in CRLF.
public enum PullContent: Sendable {
  case whole(ByteBuffer)
  /// Finished; opened by the same target.
  case stream(any PullStream)
}

/// Messages that land together. Used by one task, filled once.
public protocol PullBatch: AnyObject, Sendable {
  /// Takes messages, all or none. Nothing of them counts yet.
  /// - Returns: a fingerprint each.
  func add(_ messages: [PullContent]) async throws -> [Fingerprint]
  /// For each message, in the order they were added: what to write into the journal so that `recover` finds it again.
  func plan() async throws -> [String]
  /// Lands all, in order.
  /// - settled: to be called after each message where `traits.acknowledgesEach`; its index, and what became of it.
  /// - Returns: one outcome each.
  /// - Throws: `PullUntouched` when nothing was done for those not settled; after any other error they are in question
  ///   until `recover` answers.
  func land(_ settled: (Int, PullOutcome) async throws -> Void) async throws -> [PullOutcome]
  /// Takes back what was not landed.
  func discard() async
}

/// A large message on its way. Used by one task.
public protocol PullStream: AnyObject, Sendable {
  func append(_ bytes: ByteBuffer) async throws
  /// All is there.
  func finish() async throws -> Fingerprint
  func discard() async
}

/// Says that the messages of a batch that were not settled were not touched either.
public struct PullUntouched: Error {
  public var cause: any Error
  public init(_ cause: any Error) { self.cause = cause }
}
