import Bytes
import LMTPCore
import MailFormat
import MailStore
import NIOCore

/// From MAIL to the replies behind the message.
struct Transaction {
  let sender: LMTPSender
  let queueID: String
  var recipients: [DeliveryRules.Recipient] = []

  /// The message on its way in; nil before its first octet and once it is given up.
  var incoming: (any IncomingMessage)?
  var normalizer = LineEndNormalizer()
  /// In its place for BODY=BINARYMIME.
  var binary: BinaryIntake?
  /// Content that the store has not been given yet.
  var pending = ByteBuffer()
  /// Octets of content so far, line ends mended; with BINARYMIME as they came.
  var size = 0
  var hasBDAT = false
  /// Why the message cannot be taken; the rest of it is swallowed, then each recipient hears of it.
  var failure: DeliveryRules.Refusal?

  init(sender: LMTPSender, queueID: String) {
    self.sender = sender
    self.queueID = queueID
    if sender.body == .binaryMIME { binary = BinaryIntake() }
  }
}
