import LMTPCore
import Logging
import MailStore

/// The log line of a delivery: the same for LMTP and for `deliver`.
enum DeliveryLog {
  static func write(
    _ logger: Logger, queueID: String, recipient: DeliveryRules.Recipient, size: Int,
    result: Result<Delivered, DeliveryRules.Refusal>, more: Logger.Metadata
  ) {
    var metadata = more
    metadata["queue"] = "\(queueID)"
    metadata["account"] = "\(recipient.account.name)"
    metadata["recipient"] = "\(recipient.path.address)"
    metadata["size"] = "\(size)"
    switch result {
    case .success(let delivered):
      metadata["status"] = "delivered"
      metadata["mailbox"] = "\(delivered.ref.mailbox)"
      metadata["uid"] = "\(delivered.uid)"
    case .failure(let refusal):
      metadata["status"] = "refused"
      metadata["why"] = "\(refusal)"
    }
    logger.info("delivery", metadata: metadata)
  }
}
