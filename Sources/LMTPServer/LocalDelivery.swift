import Bytes
import LMTPCore
public import Logging
public import MailStore
public import NIOCore

/// How a delivery by `merpati deliver` ended.
public enum LocalDeliveryOutcome: Sendable, Hashable {
  case delivered(Delivered, size: Int)
  case noSuchAccount
  /// `isTemporary` by `LMTPServerSettings.quotaFullIsTemporary`.
  case full(isTemporary: Bool)
  case tooBig(limit: Int)
  /// Nothing came.
  case empty
  /// The bytes could not be read to their end.
  case unreadable
  /// The disk is full.
  case noRoom
  /// Ours; the story is in the log.
  case trouble

  /// The code of sysexits(3). An MTA tries again after 75 and bounces after the others.
  public var exitCode: Int32 {
    switch self {
    case .delivered: 0
    case .noSuchAccount: 67  // EX_NOUSER
    case .full(let isTemporary): isTemporary ? 75 : 73  // EX_TEMPFAIL, EX_CANTCREAT
    case .tooBig, .empty: 65  // EX_DATAERR
    case .unreadable, .noRoom, .trouble: 75  // EX_TEMPFAIL: the message is whole at the MTA
    }
  }

  /// One sentence, which MTAs put into the bounce.
  public func sentence(for name: String) -> String {
    switch self {
    case .delivered: "\(name): delivered"
    case .noSuchAccount: "\(name): no such user here"
    case .full: "\(name): mailbox is full"
    case .tooBig(let limit): "\(name): message is bigger than \(limit) octets"
    case .empty: "\(name): the message is empty"
    case .unreadable: "\(name): the message could not be read"
    case .noRoom: "\(name): insufficient storage, try again later"
    case .trouble: "\(name): temporary failure, try again later"
    }
  }
}

/// Delivers one message to one account, by the rules of LMTP. For `merpati deliver`.
public struct LocalDelivery: Sendable {
  private let rules: DeliveryRules
  private let settings: LMTPServerSettings
  private let logger: Logger
  private let queueIDs: QueueIDs

  public init(store: any MailStore, settings: LMTPServerSettings, logger: Logger) {
    self.rules = DeliveryRules(store: store, settings: settings)
    self.settings = settings
    self.logger = logger
    self.queueIDs = QueueIDs(settings.now())
  }

  /// - Parameters:
  ///   - bytes: the message. Lines may end in LF; an mbox line (`From …`) in front, as Exim's pipes write it, is dropped.
  ///   - name: `user`, `user@domain`, or either with `+folder`.
  ///   - sender: the envelope sender for Return-Path; empty for bounces, nil when it is not known.
  public func deliver<Source: AsyncSequence>(
    _ bytes: Source, to name: String, sender: String?
  ) async -> LocalDeliveryOutcome where Source.Element == ByteBuffer {
    let path = Self.path(name)
    let queueID = queueIDs.next()
    let incoming = rules.store.newIncomingMessage()
    do throws(StoreError) {
      guard let recipient = try await rules.recipient(path) else { return .noSuchAccount }
      if let refusal = try await rules.objection(to: recipient, size: 0) { return outcome(refusal) }
      var size = 0
      if let failed = try await spool(bytes, to: incoming, size: &size) {
        await incoming.discard()
        if case .tooBig(let limit) = failed {
          log(queueID, recipient, size, .failure(.tooBig(limit: limit)))
        }
        return failed
      }
      let trace = TraceHeaders(hostname: settings.hostname, queueID: queueID, date: settings.now())
      let results = try await rules.deliver(
        finishing: incoming, sender: sender.map(Self.path), to: [recipient], trace: trace)
      let delivered = try results[0].get()
      log(queueID, recipient, size, .success(delivered))
      return .delivered(delivered, size: size)
    } catch {
      await incoming.discard()
      logger.error("deliver", metadata: ["queue": "\(queueID)", "recipient": "\(name)", "error": "\(error)"])
      return outcome(DeliveryRules.refusal(error))
    }
  }

  /// Nil when all bytes are spooled.
  private func spool<Source: AsyncSequence>(
    _ bytes: Source, to incoming: any IncomingMessage, size: inout Int
  ) async throws(StoreError) -> LocalDeliveryOutcome? where Source.Element == ByteBuffer {
    var normalizer = LineEndNormalizer()
    var envelope = MboxLine()
    var iterator = bytes.makeAsyncIterator()
    while true {
      let chunk: ByteBuffer?
      do {
        chunk = try await iterator.next(isolation: #isolation)
      } catch {
        logger.error("deliver: input", metadata: ["error": "\(error)"])
        return .unreadable
      }
      var clean = ByteBuffer()
      if let chunk {
        guard let piece = envelope.drop(from: chunk) else { continue }
        clean = normalizer.normalize(piece)
      } else {
        if let rest = envelope.rest() { clean = normalizer.normalize(rest) }
        normalizer.finish(into: &clean)
      }
      size += clean.readableBytes
      guard size <= settings.maxMessageBytes else { return .tooBig(limit: settings.maxMessageBytes) }
      if clean.readableBytes > 0 { try await incoming.append(clean) }
      if chunk == nil { return size == 0 ? .empty : nil }
    }
  }

  private func outcome(_ refusal: DeliveryRules.Refusal) -> LocalDeliveryOutcome {
    switch refusal {
    case .noSuchUser: .noSuchAccount
    case .full: .full(isTemporary: settings.quotaFullIsTemporary)
    case .tooBig(let limit): .tooBig(limit: limit)
    case .noRoom: .noRoom
    // Nothing binary comes this way.
    case .trouble, .cannotConvert: .trouble
    }
  }

  private func log(
    _ queueID: String, _ recipient: DeliveryRules.Recipient, _ size: Int,
    _ result: Result<Delivered, DeliveryRules.Refusal>
  ) {
    DeliveryLog.write(logger, queueID: queueID, recipient: recipient, size: size, result: result, more: [:])
  }

  /// An address from the command line. What could break a header line is left out of it.
  private static func path(_ text: String) -> LMTPPath {
    let plain = String(text.unicodeScalars.filter { $0.value > 0x20 && $0.value != 0x7F && $0 != "<" && $0 != ">" })
    guard let at = plain.lastIndex(of: "@") else { return LMTPPath(localPart: plain, domain: nil) }
    return LMTPPath(localPart: String(plain[..<at]), domain: String(plain[plain.index(after: at)...]))
  }
}

/// Drops the `From …` line that mbox and pipes put before a message.
struct MboxLine {
  private enum State {
    /// Fewer than five octets have come.
    case undecided(ByteBuffer)
    case dropping
    case through
  }
  private var state = State.undecided(ByteBuffer())

  /// What of the chunk (and of what was held back) belongs to the message; nil: nothing yet.
  mutating func drop(from chunk: ByteBuffer) -> ByteBuffer? {
    var chunk = chunk
    switch state {
    case .through: return chunk
    case .undecided(var held):
      held.writeBuffer(&chunk)
      let mark = Array("From ".utf8)
      guard held.readableBytes >= mark.count else {
        state = .undecided(held)
        return nil
      }
      guard held.readableBytesView.starts(with: mark) else {
        state = .through
        return held
      }
      state = .dropping
      return dropLine(held)
    case .dropping: return dropLine(chunk)
    }
  }

  /// At the end: what was held back.
  mutating func rest() -> ByteBuffer? {
    defer { state = .through }
    if case .undecided(let held) = state { return held }
    return nil
  }

  private mutating func dropLine(_ bytes: ByteBuffer) -> ByteBuffer? {
    guard let end = bytes.readableBytesView.firstIndex(of: .lf) else { return nil }
    state = .through
    return bytes.getSlice(at: end + 1, length: bytes.writerIndex - end - 1)
  }
}
