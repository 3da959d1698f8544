import LocalMail
public import NIOPosix

/// A delivery command (MDA): `/bin/sh -c COMMAND`, a message on its standard input, its word is its exit status
/// (sysexits(3)). As with LMTP, a crash may leave one message in doubt.
public final class PipeTarget: PullTarget, HeldLanding {
  public let command: String
  public var name: String { "mda:\(command)" }
  public var traits: PullTargetTraits { PullTargetTraits(verifies: false, recovers: false, acknowledgesEach: true) }
  private let time: Duration
  private let hiding: Set<String>
  private let spoolFolder: String
  private let threads: NIOThreadPool

  /// - time: a command that takes longer is killed, with what it started; its message counts as in doubt.
  /// - spoolFolder: messages are handed over as files without a name there.
  /// - hiding: variables of the environment that it must not see; `MERPATI_PASSWORD` is hidden anyway.
  public init(
    command: String, time: Duration = PullLimits.pipeTime, hiding: Set<String> = [], spoolFolder: String,
    threads: NIOThreadPool
  ) {
    self.command = command
    self.hiding = hiding
    self.time = time
    self.spoolFolder = spoolFolder
    self.threads = threads
  }

  public func prepare() async throws {}

  /// Delivered in order, each journalled: only the first was perhaps on its way.
  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    entries.indices.map { $0 == 0 ? .unknown : .absent }
  }

  public func openBatch() async throws -> any PullBatch { HeldBatch(self) }

  func land(
    _ messages: [HeldMessage], plan: [String], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome] {
    var outcomes: [PullOutcome] = []
    for (index, message) in messages.enumerated() {
      let outcome = try await threads.runIfActive { [self] in try deliver(message.content) }
      try await settled(index, outcome)
      outcomes.append(outcome)
    }
    return outcomes
  }

  public func openStream(octets: Int64) async throws -> any PullStream {
    try await SpoolStream.open(folder: spoolFolder, threads: threads)
  }

  public func close() async {}

  /// Blocks.
  private func deliver(_ content: HeldContent) throws -> PullOutcome {
    let running: ShellCommand
    let file: SpooledMessage
    do {
      file = try spooled(content)
      running = try ShellCommand(command, input: file.descriptor, hiding: hiding)
    } catch { throw PullUntouched(error) }
    return Self.outcome(try running.wait(time), command: command)
  }

  private func spooled(_ content: HeldContent) throws -> SpooledMessage {
    switch content {
    case .spooled(let file): return file
    case .whole(let bytes):
      let file = try SpooledMessage(folder: spoolFolder)
      try file.append(bytes)
      return file
    }
  }

  static func outcome(_ ended: ShellCommand.Ended, command: String) -> PullOutcome {
    let said = ended.output.isEmpty ? "" : ": \(ended.output)"
    switch ended.how {
    case .exit(0): return .landed(receipt: "exit 0")
    // EX_TEMPFAIL
    case .exit(75): return .deferred("'\(command)' asks to try again later (exit 75)\(said)")
    case .exit(let status): return .refused("'\(command)' refused it (exit \(status))\(said)")
    case .signal(let number): return .unknown("'\(command)' was killed by signal \(number)\(said)")
    case .timedOut: return .unknown("'\(command)' took too long and was killed\(said)")
    }
  }
}
