import Bytes
import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

/// How the octets of APPEND come into the store.
extension IMAPSession {
  /// Takes one message's octets into the store.
  func receive(_ message: AppendMessage, _ job: inout AppendJob) async throws(CommandError) -> any PreparedMessage {
    job.before += job.current
    job.current = 0
    let isCatenated = message.body == .catenate
    // RFC 3502 §6.3.11: a message without octets cancels the whole APPEND.
    guard isCatenated || message.literal.size > 0 else { throw .no(nil, "An empty message cancels APPEND") }
    if !isCatenated { try await admit(message.literal, &job) }
    let incoming = store.newIncomingMessage()
    do throws(CommandError) {
      var intake = AppendIntake(incoming, isBinary: message.literal.isBinary, refusesEightBit: showsSurrogates)
      if isCatenated {
        try await catenate(&intake, &job)
        guard job.current > 0 else { throw .no(nil, "An empty message cancels APPEND") }
      } else {
        try await receiveOctets(&intake)
      }
      let last = try intake.finish()
      return try await longStoreCall("Appending") { _ throws(StoreError) in
        if last.readableBytes > 0 { try await incoming.append(last) }
        return try await incoming.finish()
      }
    } catch {
      await incoming.discard()
      throw error
    }
  }

  /// Everything that is known before the octets come.
  func admit(_ literal: LiteralHeader, _ job: inout AppendJob) async throws(CommandError) {
    try await admit(octets: literal.size, &job)
  }

  /// So many octets more are to come.
  func admit(octets: Int64, _ job: inout AppendJob) async throws(CommandError) {
    // RFC 7889 §4
    guard octets <= Int64(settings.appendLimit - job.current) else {
      throw .store(.messageTooLarge(limit: settings.appendLimit))
    }
    job.current += Int(octets)
    let all = job.before + job.current
    guard job.before == 0 || all <= settings.appendTogether else {
      throw .no(.limit, "Messages of one APPEND may have at most \(settings.appendTogether) octets together")
    }
    try await checkRoom(all, job)
    guard !isOver else { throw .connectionClosed }
  }

  private func checkRoom(_ octets: Int, _ job: AppendJob) async throws(CommandError) {
    let account = job.account
    // RFC 8508 §3.4: what is given back elsewhere gives no room here.
    guard let replaced = job.replaced, replaced.ref.account == account else {
      return try await storeCall { store throws(StoreError) in try await store.checkQuota(of: account, adding: octets) }
    }
    // RFC 8508 §3.4: what the message that goes gives back counts.
    guard octets > replaced.size else { return }
    let (usage, limits) = try await storeCall { store throws(StoreError) in try await store.quota(of: account) }
    if let limit = limits.bytes, usage.bytes + Int64(octets - replaced.size) > limit {
      throw .store(.overQuota(OverQuota(resource: .storage, limit: limit, usage: usage.bytes)))
    }
  }

  /// The literal just announced.
  func receiveOctets(_ intake: inout AppendIntake) async throws(CommandError) {
    framer.acceptMessage()
    while true {
      switch try await nextAppendEvent() {
      case .appendBytes(let bytes): try await take(bytes, &intake)
      case .appendMessageEnd: return
      default: throw .bad("Unexpected data in APPEND")
      }
    }
  }

  func take(_ bytes: ByteBuffer, _ intake: inout AppendIntake) async throws(CommandError) {
    let lines = try intake.take(bytes)
    let incoming = intake.incoming
    try await storeCall { _ throws(StoreError) in try await incoming.append(lines) }
  }
}

/// What is done to the octets of a message on their way.
struct AppendIntake {
  let incoming: any IncomingMessage
  private var normalizer = LineEndNormalizer()
  /// In its place for a literal8.
  private var binary: BinaryIntake?

  /// Nil: headers may hold what they like.
  private var watch: HeaderWatch?

  init(_ incoming: any IncomingMessage, isBinary: Bool, refusesEightBit: Bool) {
    self.incoming = incoming
    if refusesEightBit { watch = HeaderWatch() }
    if isBinary { binary = BinaryIntake() }
  }

  mutating func take(_ bytes: ByteBuffer) throws(CommandError) -> ByteBuffer {
    // RFC 6855 §4
    if watch?.findsEightBit(in: bytes) == true {
      throw .no(nil, "Eight-bit characters in a header need ENABLE UTF8=ACCEPT")
    }
    guard binary != nil else { return normalizer.normalize(bytes) }
    let converted = binary?.take(bytes) ?? bytes
    try checkBinary()
    return converted
  }

  mutating func finish() throws(CommandError) -> ByteBuffer {
    var rest = ByteBuffer()
    if binary != nil {
      rest = binary?.finish() ?? rest
      try checkBinary()
    } else {
      normalizer.finish(into: &rest)
    }
    return rest
  }

  /// RFC 3516 §4.4: a change of encoding must lose nothing; what cannot be kept so is refused.
  private func checkBinary() throws(CommandError) {
    guard let binary else { return }
    switch binary.failure {
    case .noBoundary: throw .no(.unknownCTE, "A multipart without a boundary cannot be binary")
    case .tooDeep: throw .no(.unknownCTE, "Binary parts lie too deep in the message")
    case .fieldTooLong: throw .no(.unknownCTE, "A content field is longer than \(BinaryIntake.longestField) octets")
    case nil: break
    }
    guard binary.strayNUL == 0 else {
      throw .no(.unknownCTE, "NUL stands outside the parts whose Content-Transfer-Encoding is binary")
    }
  }
}

/// Looks for eight-bit characters in the header of a message as it comes.
struct HeaderWatch {
  private var isOver = false
  private var isLineEmpty = true

  mutating func findsEightBit(in bytes: ByteBuffer) -> Bool {
    guard !isOver else { return false }
    for byte in bytes.readableBytesView {
      switch byte {
      case .cr: break
      case .lf:
        guard !isLineEmpty else {
          isOver = true
          return false
        }
        isLineEmpty = true
      default:
        if byte >= 0x80 { return true }
        isLineEmpty = false
      }
    }
    return false
  }
}
