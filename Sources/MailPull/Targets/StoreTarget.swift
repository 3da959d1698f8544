public import LocalMail
public import NIOPosix

/// One message for a store.
public struct StoreMessage: Sendable {
  public var content: HeldContent
  public var fingerprint: Fingerprint
  public var flags: MaildirFlags
  /// INTERNALDATE, seconds since 1970; nil: now.
  public var date: Int64?
  public init(content: HeldContent, fingerprint: Fingerprint, flags: MaildirFlags, date: Int64?) {
    self.content = content
    self.fingerprint = fingerprint
    self.flags = flags
    self.date = date
  }
}

/// A Merpati store seen from here: one account of it.
public protocol StoreDoor: Sendable {
  /// Appends all, in order, flags and keywords included. What it returns for a message (for example its UID) goes into
  /// the journal; all are durable and verified when it returns. On an error none or some may have been taken.
  func append(_ messages: [StoreMessage], to mailbox: [String]) async throws -> [String]
  /// Which of these are in the mailbox; nil: can't be told.
  func contains(_ fingerprints: Set<Fingerprint>, in mailbox: [String]) async throws -> Set<Fingerprint>?
  func close() async
}

extension StoreDoor {
  public func contains(_ fingerprints: Set<Fingerprint>, in mailbox: [String]) async throws -> Set<Fingerprint>? { nil }
  public func close() async {}
}

/// A mailbox of a Merpati store.
public final class StoreTarget: PullTarget, HeldLanding {
  public let name: String
  /// What an interrupted run left is asked of the store; a store that can't tell leaves the batch in doubt.
  public var traits: PullTargetTraits { PullTargetTraits(verifies: true, recovers: true, acknowledgesEach: false) }
  private let door: any StoreDoor
  private let mailbox: [String]
  private let spoolFolder: String
  private let threads: NIOThreadPool

  public init(
    name: String, door: any StoreDoor, mailbox: [String] = ["INBOX"], spoolFolder: String, threads: NIOThreadPool
  ) {
    self.name = name
    self.door = door
    self.mailbox = mailbox
    self.spoolFolder = spoolFolder
    self.threads = threads
  }

  public func prepare() async throws {}

  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    let known = try await door.contains(Set(entries.map(\.fingerprint)), in: mailbox)
    return entries.map { entry in
      guard let known else { return .unknown }
      return known.contains(entry.fingerprint) ? .landed(receipt: entry.receipt) : .absent
    }
  }

  public func openBatch() async throws -> any PullBatch { HeldBatch(self) }

  func land(
    _ messages: [HeldMessage], plan: [String], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome] {
    let batch = messages.map {
      StoreMessage(content: $0.content, fingerprint: $0.fingerprint, flags: MaildirFlags(), date: nil)
    }
    let receipts = try await door.append(batch, to: mailbox)
    guard receipts.count == batch.count else {
      throw PullError(.target(name, "\(receipts.count) receipts for \(batch.count) messages"), account: "")
    }
    return receipts.map { .landed(receipt: $0) }
  }

  public func openStream(octets: Int64) async throws -> any PullStream {
    try await SpoolStream.open(folder: spoolFolder, threads: threads)
  }

  public func close() async { await door.close() }
}
