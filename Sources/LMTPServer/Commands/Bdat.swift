import LMTPCore

extension LMTPSession {
  /// BDAT (RFC 3030 §2, RFC 2033 §4.3). Its octets are taken from the stream whatever the answer will be.
  func bdat(_ command: LMTPCommand) {
    guard case .bdat(let size, let isLast) = command else { return }
    if let transaction {
      // Not by a sum: the client may name the largest number there is.
      if size > Int64(settings.maxMessageBytes) - Int64(transaction.size) {
        if transaction.failure == nil { fail(.tooBig(limit: settings.maxMessageBytes)) }
      }
      self.transaction?.hasBDAT = true
    }
    if size == 0 { return chunkEnded(size: 0, isLast: isLast) }
    input = .chunk(ChunkDecoder(size: size), size: size, isLast: isLast)
  }

  /// The octets of a BDAT have come.
  func chunkEnded(size: Int64, isLast: Bool) {
    input = .command
    guard let transaction else { return bad(client == nil ? .lhloFirst : .mailFirst) }
    if isLast {
      guard !transaction.recipients.isEmpty else {
        // RFC 2033 §4.3: no recipients, no replies.
        return endTransaction()
      }
      return finishMessage()
    }
    guard !transaction.recipients.isEmpty else { return bad(.noRecipients) }
    guard let failure = transaction.failure else { return reply(.chunkTaken(octets: size)) }
    // Every chunk of a message that failed hears of it; BDAT LAST tells each recipient.
    switch failure {
    case .tooBig(let limit): reply(.tooBig(limit: Int64(limit)))
    case .noRoom: reply(.noRoom)
    case .cannotConvert: reply(.cannotConvert)
    default: reply(.temporaryFailure())
    }
  }
}
