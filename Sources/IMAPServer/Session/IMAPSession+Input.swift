import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// Carries out what has come, one command after the other, until one needs a task or more bytes.
  func pump() {
    var budget = TurnBudget(commands: settings.commandsPerTurn)
    while running == nil, !isOver, !isStartingTLS, !isDraining, hasRoom() {
      guard framer.isIdle || budget.takeOne() else { return letOthers() }
      switch framer.next() {
      case .needMore:
        if isShuttingDown { bye("Server is shutting down") }
        return
      case .sendContinuation: sayContinuation()
      case .command(let frame): handle(frame)
      case .appendMessage(let message): startAppend(message)
      case .line(let line): endIdle(line)
      case .rejected(let error): reject(error)
      case .close(let code, let reason): bye(reason, code: code)
      case .appendBytes, .appendMessageEnd, .appendEnd, .appendURL, .appendText, .appendCatenated:
        // Only `append(_:)` asks for these.
        assertionFailure("octets of an APPEND that nobody reads")
      }
    }
  }

  private func handle(_ frame: CommandFrame) {
    let tagged: TaggedCommand
    do throws(IMAPSyntaxError) {
      tagged = try frame.parse(options: wire, limits: settings.wire)
    } catch {
      reject(error)
      return
    }
    let row = CommandTable.row(for: tagged.command.name)
    tally.count(row.name)
    guard countBeforeLogin() else { return }
    guard row.states.contains(state) else {
      finish(tagged.tag, row, isUID: false, .bad(refusal(of: row)))
      return
    }
    tally.badInARow = 0
    if enabled.isUIDOnly, tagged.command.hasSequenceNumbers {
      // RFC 9586 §3
      finish(
        tagged.tag, row, isUID: false, .bad("Message numbers are not allowed with UIDONLY", code: .uidRequired))
      return
    }
    execute(tagged, row)
  }

  /// A flood before login ends the connection.
  func countBeforeLogin() -> Bool {
    guard account == nil else { return true }
    tally.beforeLogin += 1
    if tally.beforeLogin > settings.commandsBeforeLogin {
      bye("Too many commands before login")
      return false
    }
    return true
  }

  /// Why a command is not legal now (RFC 9051 §3).
  func refusal(of row: CommandRow) -> Sentence {
    if state == .notAuthenticated { return "Log in first" }
    if row.states == .notAuthenticated { return "Already logged in" }
    return "Select a mailbox first"
  }

  /// Answers what could not be read. No command is in progress, so nothing else is told (RFC 9051 §7.5.1).
  func reject(_ error: IMAPSyntaxError) {
    var error = error
    if let tag = idleTag { error.tag = tag }
    idleTag = nil
    connection.out.writeRejection(error, language.text(error.reason))
    tally.bad += 1
    tally.badInARow += 1
    let limit = account == nil ? settings.badCommandsBeforeLogin : settings.badCommandsAfterLogin
    if tally.badInARow > limit { bye("Too many bad commands") }
    _ = countBeforeLogin()
  }

  // MARK: Tasks

  /// Starts the task of a command: nothing else is read meanwhile.
  func begin(_ tag: String, _ name: CommandName, isUID: Bool) {
    running = RunningCommand(tag: tag, name: name, isUID: isUID)
    connection.pauseReading()
    // Before login the time runs on.
    if account != nil { connection.setDeadline(nil) }
  }

  func launch(_ tagged: TaggedCommand, _ row: CommandRow) {
    begin(tagged.tag, row.name, isUID: endsAsUID(tagged.command))
    isLaunching = true
    connection.taskExecutor.startingAtOnce {
      Task(executorPreference: connection.taskExecutor) { await self.run(tagged) }
    }
    isLaunching = false
  }

  private func run(_ tagged: TaggedCommand) async {
    let completion: Completion
    do throws(CommandError) {
      completion = try await perform(tagged)
    } catch {
      completion = self.completion(for: error, of: tagged.command.name)
    }
    await finishTask(completion)
  }

  /// Ends a task's command and goes on with what has come meanwhile.
  func finishTask(_ completion: Completion) async {
    guard let command = running else { return }
    endProgress()
    if view != nil, [.append, .copy, .move, .replace].contains(command.name) { await othersFirst() }
    if !isOver {
      await finishSlowly(command, completion)
    }
    running = nil
    guard isLaunching else { return proceed() }
    if notify != nil { pushNews() }
    // It did not have to wait: whoever launched it goes on with what has come.
    if !isOver, running == nil, !isStartingTLS, !isDraining { connection.resumeReading() }
  }

  /// Sessions of this loop that the store has told of new messages before it answered look first, also when the answer was
  /// there so soon that the task did not have to wait: who takes `\Recent` does not hang on the speed of a thread.
  private func othersFirst() async {
    let loop = connection.eventLoop
    await withUnsafeContinuation { (done: UnsafeContinuation<Void, Never>) in loop.execute { done.resume() } }
  }

  /// After a task: the next command, or the socket again.
  func proceed() {
    guard !isOver else { return }
    if isShuttingDown {
      bye("Server is shutting down")
      return
    }
    if notify != nil { pushNews() }
    pump()
    connection.flush()
    if running == nil, !isOver, !isStartingTLS, !isDraining {
      armDeadline()
      connection.resumeReading()
    }
  }

  /// Any command starts the inactivity timer again (RFC 9051 §5.4). Before login the first deadline stands.
  func armDeadline() {
    guard account != nil, running == nil, !isOver else { return }
    let isMidCommand = idleTag == nil && !framer.isIdle
    connection.setDeadline(isMidCommand ? min(settings.commandTimeout, settings.idleTimeout) : settings.idleTimeout)
  }

  /// A client that asks for more than it reads waits here, so that answers do not pile up in memory. False: a task waits
  /// for the socket, and goes on when it has room.
  func hasRoom() -> Bool {
    if connection.out.readableBytes < settings.outputChunk, connection.isWritable { return true }
    connection.flush()
    if connection.isWritable || connection.isClosing { return true }
    isDraining = true
    connection.pauseReading()
    Task(executorPreference: connection.taskExecutor) { await self.drain() }
    return false
  }

  private func drain() async {
    do throws(ConnectionClosed) { try await connection.writable() } catch { return }
    isDraining = false
    mailboxChanged()
    proceed()
  }

  /// A client that sends commands without end has its turn again when the others of this loop have had theirs.
  private func letOthers() {
    isDraining = true
    connection.flush()
    connection.pauseReading()
    Task(executorPreference: connection.taskExecutor) { await self.nextTurn() }
  }

  private func nextTurn() async {
    guard !isOver else { return }
    isDraining = false
    mailboxChanged()
    proceed()
  }

  // MARK: Conversations

  /// The next event of a conversation, waiting for the client as long as it takes within the deadline.
  func nextEvent() async throws(CommandError) -> FramerEvent {
    while true {
      guard !isOver else { throw .connectionClosed }
      let event = framer.next()
      guard case .needMore = event else { return event }
      connection.flush()
      if account != nil { connection.setDeadline(min(settings.commandTimeout, settings.idleTimeout)) }
      // Bytes may come within `resumeReading` already, so the waiter is there before.
      let alive = await withCheckedContinuation { waiter in
        inputWaiter = waiter
        connection.resumeReading()
      }
      guard alive else { throw .connectionClosed }
      if account != nil { connection.setDeadline(nil) }
    }
  }
}
