import IMAPCore
public import MailNet

extension IMAPClient {
  /// NOTIFY for all personal mailboxes (RFC 5465); false when the server has none, or none that suits. News of the
  /// selected mailbox come as ever, those of others as `MailboxEvent.status`; `idle` waits for both.
  public func notifyPersonal() async throws(ClientError) -> Bool {
    guard has("NOTIFY") else { return false }
    // RFC 5465 §5.2: FlagChange only along with MessageNew and MessageExpunge.
    for events in ["MessageNew MessageExpunge FlagChange", "MessageNew MessageExpunge"] {
      let command = try await begin("NOTIFY") { printer in
        printer.text("NOTIFY SET (selected-delayed (\(events))) (personal (\(events)))")
      }
      // RFC 5465 §5.8: BADEVENT names events that the server has not.
      if try await finish(command).condition == .ok {
        isNotifying = true
        return true
      }
    }
    return false
  }
}
