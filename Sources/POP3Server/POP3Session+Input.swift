import Bytes
import MailAuth
import MailNet
import MailStore
import NIOCore
import POP3Core

/// Lines in, commands out.
extension POP3Session {
  func take(_ buffer: inout ByteBuffer) {
    armDeadline()
    drop?.lease.touch()
    var budget = TurnBudget(commands: POP3Sizes.commandsPerTurn)
    while !isBusy, !isStartingTLS, !connection.isClosing {
      guard buffer.readableBytes == 0 || budget.takeOne() else {
        return batch.items.isEmpty ? whileBusy { _ in await Task.yield() } : startBatch()
      }
      let isCommand = if case .command = expecting { true } else { false }
      switch framer.next(from: &buffer, mode: isCommand ? .command : .authentication) {
      case .incomplete:
        if !batch.items.isEmpty { startBatch() }
        return
      case .tooLong:
        expecting = .command
        bad(.syntax(.lineTooLong))
      case .line(let line):
        if isCommand { command(line) } else { response(line) }
      }
      if batch.items.count >= POP3Sizes.batch, !isBusy { startBatch() }
    }
  }

  private func command(_ line: ByteBuffer) {
    counts.commands += 1
    if case .authorization = phase, counts.commands > settings.commandsBeforeLogin {
      err(.tooManyErrors)
      return end("too many commands before login")
    }
    do throws(POP3SyntaxError) {
      perform(try POP3Command.parse(line))
    } catch {
      bad(.syntax(error))
    }
  }

  /// Carries a command out, or keeps it back until the messages before it are sent.
  func perform(_ command: POP3Command) {
    guard let row = CommandTable.row(for: command) else { return bad(.syntax(.unknownCommand)) }
    switch phase {
    case .authorization:
      guard row.states.contains(.authorization) else { return bad(.onlyAfterLogin) }
    case .transaction(let drop):
      guard row.states.contains(.transaction) else { return bad(.onlyBeforeLogin) }
      if row.needsListing, !drop.isListed { return listFirst(command) }
    case .update, .ended:
      return
    }
    if !batch.items.isEmpty, !row.joinsBatch {
      deferred = command
      startBatch()
      return
    }
    row.run(self, command)
  }

  /// Waits until the messages of a large maildrop are known, then carries the command out.
  private func listFirst(_ command: POP3Command) {
    deferred = command
    whileBusy { session in
      guard let drop = session.drop else { return }
      do throws(StoreError) {
        try await drop.maildrop.listed()
        drop.list()
      } catch {
        session.deferred = nil
        session.log(error, "listing the maildrop")
        session.err(.temporaryFailure, .sysTemp)
      }
    }
  }

  /// A command that is none, or not here: the session ends when there are too many of them.
  func bad(_ text: POP3Text) {
    counts.bad += 1
    err(text)
    guard counts.bad >= settings.badCommands else { return }
    err(.tooManyErrors)
    if batch.items.isEmpty { return end("too many errors") }
    // The messages asked for before go out first.
    endsAfterWork = "too many errors"
    startBatch()
  }
}
