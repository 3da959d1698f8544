import LMTPCore
import Logging
import MailNet
import MailStore

extension LMTPSession {
  /// RCPT (RFC 5321 §4.1.1.3): the account is looked up and its quota asked, so that most refusals come before the
  /// message is sent.
  func rcpt(_ command: LMTPCommand) {
    guard case .rcpt(let path) = command else { return }
    guard let transaction else { return bad(.mailFirst) }
    // RFC 3030 §2: no recipients once content has come.
    guard !transaction.hasBDAT else { return bad(.badSequence) }
    guard transaction.recipients.count < settings.maxRecipients else { return reply(.tooManyRecipients) }
    let size = Int(clamping: transaction.sender.size ?? 0)
    whileBusy { session in
      let answer = await session.admit(path, size: size)
      if answer.isPositive { return session.reply(answer) }
      session.counts.refused += 1
      session.server.logger.info(
        "recipient refused",
        metadata: [
          "conn": "\(session.connection.id)", "queue": "\(session.transaction?.queueID ?? "-")",
          "recipient": "\(path.address)", "code": "\(answer.code)",
        ])
      session.reply(answer)
    }
  }

  private func admit(_ path: LMTPPath, size: Int) async -> LMTPReply {
    do throws(StoreError) {
      guard let recipient = try await server.rules.recipient(path) else { return .noSuchUser(path) }
      if let refusal = try await server.rules.objection(to: recipient, size: size) {
        return server.rules.reply(refusal, to: path)
      }
      transaction?.recipients.append(recipient)
      return .recipientOK
    } catch {
      log(error, "looking up a recipient")
      return .temporaryFailure(path)
    }
  }
}
