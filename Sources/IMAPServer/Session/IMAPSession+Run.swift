import IMAPCore
import Logging
import MailAuth
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// Carries out a command that is legal now: at once if memory knows the answer, else in a task.
  func execute(_ tagged: TaggedCommand, _ row: CommandRow) {
    let isUID = endsAsUID(tagged.command)
    do throws(CommandError) {
      if let completion = try answer(tagged, isUID: isUID) {
        finish(tagged.tag, row, isUID: isUID, completion)
      } else if !isOver, idleTag == nil, !isStartingTLS, !row.isCompleteInItself {
        launch(tagged, row)
      }
    } catch {
      finish(tagged.tag, row, isUID: isUID, completion(for: error, of: row.name))
    }
  }

  /// What needs no store. Nil: a task must do it, or the command goes on by itself (IDLE, STARTTLS).
  private func answer(_ tagged: TaggedCommand, isUID: Bool) throws(CommandError) -> Completion? {
    switch tagged.command {
    case .capability: capability()
    case .noop: .ok("NOOP completed")
    case .check: .ok("CHECK completed")
    case .logout: logout(tagged.tag)
    case .id(let command): identify(command)
    case .language(let command): try language(command)
    case .startTLS: try startTLS(tagged.tag)
    case .enable(let command): command.enablesMetadata ? nil : try enable(command)
    case .cancelUpdate(let command): try cancelUpdate(command)
    case .compress(let command): try compress(command, tagged.tag)
    case .unauthenticate: try unauthenticate(tagged.tag)
    case .namespace: namespace()
    case .comparator(let command): try comparator(command)
    case .idle: try startIdle(tagged.tag)
    case .unselect: unselect()
    case .login: try checkLoginAllowed()
    case .fetch(let command): try fetchFromMemory(command)
    case .search(let command): try searchMemory(command, tag: tagged.tag)
    default: nil
    }
  }

  /// What needs the store; runs in the command's task.
  func perform(_ tagged: TaggedCommand) async throws(CommandError) -> Completion {
    switch tagged.command {
    case .login(let command): try await login(command)
    case .authenticate(let command): try await authenticate(command)
    case .select(let command): try await select(command)
    case .create(let command): try await create(command)
    case .delete(let name): try await delete(name)
    case .rename(let command): try await rename(command)
    case .subscribe(let name): try await subscribe(name, true)
    case .unsubscribe(let name): try await subscribe(name, false)
    case .list(let command): try await list(command)
    case .lsub(let command): try await lsub(command)
    case .status(let command): try await status(command)
    case .notify(let command): try await notify(command)
    case .enable(let command): try await enableWithMetadata(command)
    case .getMetadata(let command): try await getMetadata(command)
    case .setMetadata(let command): try await setMetadata(command)
    case .setACL(let command): try await setACL(command)
    case .deleteACL(let command): try await deleteACL(command)
    case .getACL(let name): try await getACL(name)
    case .listRights(let command): try await listRights(command)
    case .myRights(let name): try await myRights(name)
    case .getQuota(let command): try await getQuota(command)
    case .getQuotaRoot(let name): try await getQuotaRoot(name)
    case .setQuota(let command): try await setQuota(command)
    case .resetKey(let command): try await resetKey(command)
    case .genURLAuth(let command): try await genURLAuth(command)
    case .urlFetch(let command): try await urlFetch(command)
    case .close: try await closeMailbox()
    case .expunge(let command): try await expunge(command)
    case .search(let command): try await search(command, tag: tagged.tag)
    case .esearch(let command): try await esearch(command, tag: tagged.tag)
    case .sort(let command): try await sort(command, tag: tagged.tag)
    case .thread(let command): try await thread(command)
    case .fetch(let command): try await fetch(command)
    case .store(let command): try await store(command)
    case .copy(let command): try await copy(command)
    case .move(let command): try await move(command)
    default: throw .bad("Unknown command")
    }
  }

  // MARK: Completion

  /// Ends a command that was answered within the read burst.
  func finish(_ tag: String, _ row: CommandRow, isUID: Bool, _ completion: Completion) {
    guard !isOver else { return }
    let command = RunningCommand(tag: tag, name: row.name, isUID: isUID)
    guard !completion.skipsSync, let update = nextUpdate(expunge: row.breaksSequenceNumbers || isUID) else {
      guard completion.skipsSync || contexts?.hasChanges != true else {
        return finishLater(command, ViewUpdate(), completion)
      }
      printCompletion(command, completion)
      if notify != nil { pushNews() }
      return
    }
    if update.messages <= settings.messagesOnLoop, contexts?.hasChanges != true {
      write(update, includeUID: isRev2 || isUID)
      printCompletion(command, completion)
      if notify != nil { pushNews() }
    } else {
      finishLater(command, update, completion)
    }
  }

  private func finishLater(_ command: RunningCommand, _ update: ViewUpdate, _ completion: Completion) {
    begin(command.tag, command.name, isUID: command.isUID)
    Task(executorPreference: connection.taskExecutor) { await self.finishWriting(command, update, completion) }
  }

  private func finishWriting(_ command: RunningCommand, _ update: ViewUpdate, _ completion: Completion) async {
    await writeSlowly(update, includeUID: isRev2 || command.isUID)
    if contexts != nil { await tellContexts() }
    printCompletion(command, completion)
    running = nil
    proceed()
  }

  /// Ends a command of a task.
  func finishSlowly(_ command: RunningCommand, _ completion: Completion) async {
    let row = CommandTable.row(for: command.name)
    if !completion.skipsSync, let update = nextUpdate(expunge: row.breaksSequenceNumbers || command.isUID) {
      await writeSlowly(update, includeUID: isRev2 || command.isUID)
    }
    if contexts != nil, !completion.skipsSync { await tellContexts() }
    printCompletion(command, completion)
  }

  private func printCompletion(_ command: RunningCommand, _ completion: Completion) {
    guard !isOver else { return }
    if metadata != nil, !completion.skipsSync { tellMetadata() }
    let condition: ResponseCondition =
      switch completion.status {
      case .ok: .ok
      case .no: .no
      case .bad: .bad
      }
    if completion.status == .bad { tally.bad += 1 }
    if hasKeyNews { tellKey() }
    var code = completion.code
    if !enabled.isEmpty, let modSeq = dueModSeq() {
      if completion.status == .ok, code == nil || code?.isMessageLimit == true {
        // One code fits before a text: RFC 9738 §3.1 shows where its own goes then.
        if let code { say(.no, code, completion.text) }
        code = .highestModSeq(modSeq)
      } else {
        say(.ok, .highestModSeq(modSeq), "Highest")
      }
    }
    say(command.tag, condition, code, completion.text)
    if account == nil, listener.authenticator.hasFailedTooOften(connection) { bye("Too many failed logins") }
  }

  func completion(for error: CommandError, of name: CommandName) -> Completion {
    let isDestination = name == .append || name == .copy || name == .move || name == .replace
    let reference = "\(connection.id)-\(tally.internalErrors + 1)"
    let outcome = ErrorMapper.outcome(error, isDestination: isDestination, reference: reference)
    if let story = outcome.internalStory {
      tally.internalErrors += 1
      listener.logger.error(
        "imap command failed",
        metadata: [
          "reference": "\(reference)", "command": "\(name.keyword)", "account": "\(account?.name ?? "-")",
          "mailbox": "\(view?.name ?? "-")", "error": "\(story)",
        ])
    }
    return outcome.completion
  }
}
