import LMTPClient
public import MailNet
public import NIOCore
public import NIOPosix

/// An LMTP session as this target uses it.
protocol LMTPSession: AnyObject {
  func deliver(
    from sender: String, to recipient: String, size: Int?, body: () async throws -> ByteBuffer?
  ) async throws -> String
  func quit() async
}

extension LMTPClient: LMTPSession {}

/// An LMTP server and a recipient there. It acknowledges each message, and can't be asked what it has: a line cut, or a
/// crash, between its 250 and our journal leaves one message in doubt (`PullOptions.deliversDoubtfulAgain`).
public final class LMTPTarget: PullTarget, HeldLanding {
  public let name: String
  public var traits: PullTargetTraits { PullTargetTraits(verifies: false, recovers: false, acknowledgesEach: true) }
  private let line: LMTPLine
  private let spoolFolder: String
  private let threads: NIOThreadPool

  /// - recipient: RCPT's address. The sender is what Return-Path says, or the null path, which brings no bounces.
  /// - spoolFolder: for messages too large to hold.
  public convenience init(
    address: ClientAddress, recipient: String, security: TransportSecurity, group: any EventLoopGroup,
    timeouts: ClientTimeouts = ClientTimeouts(), spoolFolder: String, threads: NIOThreadPool
  ) {
    self.init(
      name: "lmtp:\(address)", recipient: recipient, spoolFolder: spoolFolder, threads: threads,
      connector: LMTPServer(address: address, security: security, group: group, timeouts: timeouts))
  }

  init(
    name: String, recipient: String, spoolFolder: String, threads: NIOThreadPool, connector: any LMTPConnector
  ) {
    self.name = name
    self.spoolFolder = spoolFolder
    self.threads = threads
    line = LMTPLine(name: name, recipient: recipient, threads: threads, connector: connector)
  }

  /// Connects at the first message.
  public func prepare() async throws {}

  /// Delivered in order, each journalled: only the first was perhaps on its way, the others had not begun.
  public func recover(_ entries: [JournalEntry]) async throws -> [PullRecovery] {
    entries.indices.map { $0 == 0 ? .unknown : .absent }
  }

  public func openBatch() async throws -> any PullBatch { HeldBatch(self) }

  func land(
    _ messages: [HeldMessage], plan: [String], _ settled: (Int, PullOutcome) async throws -> Void
  ) async throws -> [PullOutcome] {
    var outcomes: [PullOutcome] = []
    for (index, message) in messages.enumerated() {
      let outcome = try await line.deliver(message)
      try await settled(index, outcome)
      outcomes.append(outcome)
    }
    return outcomes
  }

  public func openStream(octets: Int64) async throws -> any PullStream {
    try await SpoolStream.open(folder: spoolFolder, threads: threads)
  }

  public func close() async { await line.close() }
}

/// Opens LMTP sessions.
protocol LMTPConnector: Sendable {
  func connect() async throws -> any LMTPSession
}

private struct LMTPServer: LMTPConnector {
  var address: ClientAddress
  var security: TransportSecurity
  var group: any EventLoopGroup
  var timeouts: ClientTimeouts

  func connect() async throws -> any LMTPSession {
    try await LMTPClient.connect(to: address, security: security, group: group, timeouts: timeouts)
  }
}

/// The session, kept from batch to batch.
private actor LMTPLine {
  private let name: String
  private let recipient: String
  private let threads: NIOThreadPool
  private let connector: any LMTPConnector
  private var session: (any LMTPSession)?

  init(name: String, recipient: String, threads: NIOThreadPool, connector: any LMTPConnector) {
    self.name = name
    self.recipient = recipient
    self.threads = threads
    self.connector = connector
  }

  func close() async {
    await session?.quit()
    session = nil
  }

  func deliver(_ message: HeldMessage) async throws -> PullOutcome {
    var probe = MessageProbe()
    let content = message.content
    probe.update(try await threads.runIfActive { try content.beginning() })
    return try await deliver(content, from: probe.returnPath())
  }

  private func deliver(_ content: HeldContent, from sender: String) async throws -> PullOutcome {
    let session = try await connected()
    var offset: Int64 = 0
    var isSent = false
    do {
      let reply = try await session.deliver(
        from: sender, to: recipient, size: Int(clamping: content.size),
        body: {
          guard let piece = try await piece(of: content, at: offset) else {
            // Behind the last piece comes the final dot: from here on the server may have taken it.
            isSent = true
            return nil
          }
          offset += Int64(piece.readableBytes)
          return piece
        })
      return .landed(receipt: reply)
    } catch let error as ClientError {
      switch error.kind {
      case .refused(_, let code, let text):
        // RFC 5321 §3.8: behind 421 nothing follows.
        if code == "421" { self.session = nil }
        // RFC 2033 §4.2, RFC 5321 §4.2.1: 4yz may pass, 5yz stays.
        let reason = "\(name): \(code.map { "\($0) " } ?? "")\(text)"
        return code?.first == "4" ? .deferred(reason) : .refused(reason)
      case .invalidAddress where !sender.isEmpty:
        // What stood in Return-Path is no address: nobody hears of a bounce then.
        return try await deliver(content, from: "")
      case .invalidAddress, .unsupported: return .refused(error.description)
      default:
        self.session = nil
        if isSent { return .unknown("whether \(name) took it is not known: \(error)") }
        throw PullUntouched(PullError(.targetUnavailable(name, error.description), account: ""))
      }
    }
  }

  private func piece(of content: HeldContent, at offset: Int64) async throws -> ByteBuffer? {
    switch content {
    case .whole(let bytes): offset == 0 && bytes.readableBytes > 0 ? bytes : nil
    case .spooled(let file): try await threads.runIfActive { try file.read(at: offset) }
    }
  }

  private func connected() async throws -> any LMTPSession {
    if let session { return session }
    do {
      let session = try await connector.connect()
      self.session = session
      return session
    } catch let error as ClientError {
      let kind: PullError.Kind =
        error.isTemporary ? .targetUnavailable(name, error.description) : .target(name, error.description)
      throw PullUntouched(PullError(kind, account: ""))
    }
  }
}
