import Bytes
import IMAPCore
import MailNet
import MailStore
import NIOCore

/// APPEND (RFC 9051 §6.3.12, RFC 3502, RFC 4469) and REPLACE (RFC 8508): a conversation, since each message streams into
/// the store as it comes.
extension IMAPSession {
  func startAppend(_ first: AppendMessage) {
    let row = CommandTable.row(for: first.commandName)
    tally.count(row.name)
    guard countBeforeLogin() else { return }
    let isUID = first.replaces?.uid == true
    guard row.states.contains(state) else {
      framer.refuseCommand()
      finish(first.tag, row, isUID: isUID, .bad(refusal(of: row)))
      return
    }
    // RFC 9586 §3
    if enabled.isUIDOnly, let replaces = first.replaces, !replaces.uid {
      framer.refuseCommand()
      finish(first.tag, row, isUID: false, .bad("Message numbers are not allowed with UIDONLY", code: .uidRequired))
      return
    }
    tally.badInARow = 0
    begin(first.tag, row.name, isUID: isUID)
    Task(executorPreference: connection.taskExecutor) { await self.runAppend(first) }
  }

  private func runAppend(_ first: AppendMessage) async {
    let completion: Completion
    var job = AppendJob()
    do throws(CommandError) {
      completion = try await append(first, &job)
    } catch {
      // What still comes of this command is thrown away (RFC 7888 §4).
      framer.refuseCommand()
      completion = self.completion(for: error, of: first.commandName)
    }
    job.close()
    await finishTask(completion)
  }

  private func append(_ first: AppendMessage, _ job: inout AppendJob) async throws(CommandError) -> Completion {
    // Before the literal is asked for: a client with much to send is spared it.
    let target = try await findSelectable(first.mailbox, .insert)
    let (name, scope) = (target.info.name, target.scope)
    job.account = target.account
    if let replaces = first.replaces { job.replaced = try await find(replaces) }

    var messages: [AppendedMessage] = []
    var next: AppendMessage? = first
    while let message = next {
      let prepared = try await receive(message, &job)
      messages.append(
        AppendedMessage(
          message: prepared,
          flags: SystemFlags(rawValue: message.flags.system.intersection(.storable).rawValue).intersection(scope.flags),
          keywords: scope.keywords ? message.flags.keywords : [],
          date: message.date.map { InternalDate(seconds: $0.seconds, zoneMinutes: $0.zoneMinutes) }))
      next = try await nextMessage()
    }
    let all = messages
    tally.appended += all.count
    if let replaced = job.replaced, let message = all.first {
      return try await replace(replaced, with: message, to: first.mailbox, target)
    }
    let account = try accountID()
    let assigned = try await longStoreCall("Appending") { store throws(StoreError) in
      target.isOwn
        ? try await store.append(all, to: name, of: target.account)
        : try await store.append(all, to: target.ref, replacing: nil, as: account)
    }
    noteOwn(assigned, in: first.mailbox, target.ref)
    return .ok("APPEND completed", code: assigned.appended(to: target))
  }

  /// What follows a message: another one (RFC 3502), or the end.
  private func nextMessage() async throws(CommandError) -> AppendMessage? {
    switch try await nextAppendEvent() {
    case .appendMessage(let message): return message
    case .appendEnd: return nil
    default: throw .bad("Unexpected data in APPEND")
    }
  }

  /// As `nextEvent`, with what ends the command thrown and continuations sent.
  func nextAppendEvent() async throws(CommandError) -> FramerEvent {
    while true {
      let event = try await nextEvent()
      switch event {
      case .sendContinuation: sayContinuation()
      case .rejected(let error): throw .rejected(error)
      case .close(let code, let reason):
        bye(reason, code: code)
        throw .connectionClosed
      default: return event
      }
    }
  }
}

/// What an APPEND or REPLACE under way holds.
struct AppendJob {
  /// Octets of the messages before this one.
  var before = 0
  /// Octets of this message so far.
  var current = 0
  var replaced: ReplacedUID?
  /// Whose quota is asked.
  var account = AccountID(0)
  /// Mailboxes that URLs named, by name.
  var mailboxes: [String: any OpenMailbox] = [:]

  func close() {
    for mailbox in mailboxes.values { mailbox.close() }
  }
}

extension AppendMessage {
  var commandName: CommandName { replaces == nil ? .append : .replace }
}
