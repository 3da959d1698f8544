public import MailClient

/// Several accounts at once.
public enum PullAll {
  /// Runs `work` for each account, `parallel` at a time. Results stand in the order of the accounts.
  public static func run<Outcome: Sendable>(
    _ accounts: [PullAccount], parallel: Int, _ work: @escaping @Sendable (PullAccount) async -> Outcome
  ) async -> [Outcome] {
    await withTaskGroup(of: (Int, Outcome).self) { group in
      var results = [Outcome?](repeating: nil, count: accounts.count)
      var next = 0
      func start() {
        guard next < accounts.count else { return }
        let position = next
        next += 1
        group.addTask { (position, await work(accounts[position])) }
      }
      for _ in 0..<max(1, parallel) { start() }
      while let (position, outcome) = await group.next() {
        results[position] = outcome
        start()
      }
      return results.compactMap { $0 }
    }
  }

  /// One POP3 account from its configuration: opens target and journal, runs, closes.
  /// - credential: made by the caller from `PullAccount.credential`, as tokens need clients of their own.
  public static func pop3(
    _ account: PullAccount, credential: Credential, context: PullContext, knowledge: (any DropKnowledge)? = nil,
    time: PullTime = .system, report: JobReporter? = nil
  ) async -> PullReport {
    do {
      let journal = try await PullJournal.open(
        folder: context.stateFolder, account: account.journalName, target: account.destination.description,
        threads: context.threads)
      let target: any PullTarget
      do {
        target = try await context.target(
          account.destination, recipient: account.recipient ?? account.server.user ?? "",
          journalName: account.journalName)
      } catch {
        await journal.close()
        throw error
      }
      let login = POP3Login(server: account.server, credential: credential, group: context.group)
      let done = await POP3Pull(
        account: account.name, connector: login, target: target, journal: journal, options: account.options,
        knowledge: knowledge, time: time, report: report
      ).run()
      await journal.close()
      return done
    } catch {
      var failed = PullReport(account: account.name)
      failed.stopped = PullError.of(error, account: account.name)
      report?(JobEvent(.failed, account: account.name, text: failed.stopped?.description))
      return failed
    }
  }
}
