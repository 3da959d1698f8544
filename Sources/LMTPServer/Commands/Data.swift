import Bytes
import LMTPCore

extension LMTPSession {
  /// DATA (RFC 2033 §4.2).
  func data(_ command: LMTPCommand) {
    guard let transaction else { return bad(.mailFirst) }
    // RFC 3030 §2: DATA after BDAT MUST be refused.
    guard !transaction.hasBDAT else { return bad(.badSequence) }
    guard transaction.sender.body != .binaryMIME else { return bad(.binaryNeedsBDAT) }
    // RFC 2033 §4.2: without a good recipient DATA MUST fail.
    guard !transaction.recipients.isEmpty else { return bad(.noRecipients) }
    reply(.startInput)
    input = .data(DataDecoder())
  }
}
