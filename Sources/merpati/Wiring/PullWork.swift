import CMalloc
import Foundation
import IMAPClient
import LocalMail
import MailClient
import MailNet
import MailPull
import MailSync
import MerpatiServer
import NIOCore
import NIOPosix
import Synchronization

/// Runs one account of `pull`, and says with which code the command ends for it.
struct PullWork: Sendable {
  let context: PullContext
  let display: ProgressDisplay

  /// For work that waits for the disk, not the CPU: syncs side by side share the disk's flushes. Ends with the process.
  private static let threads: NIOThreadPool = {
    let pool = NIOThreadPool(numberOfThreads: LocalMailLimits.parallelFiles)
    pool.start()
    return pool
  }()

  /// - hiding: variables of the environment that commands must not see.
  init(display: ProgressDisplay, hiding: Set<String> = []) throws {
    #if canImport(Glibc)
      // By itself glibc keeps freed memory apart for nearly every thread, and large buffers too once one was freed: a fifth
      // of a pull's peak, and no faster.
      mallopt(M_ARENA_MAX, 2)
      mallopt(M_MMAP_THRESHOLD, 256 << 10)
    #endif
    self.display = display
    context = PullContext(
      stateFolder: try Places.state(), threads: Self.threads, group: MultiThreadedEventLoopGroup.singleton,
      hiddenVariables: hiding,
      openStore: { data, account in try await StoreDoorAdapter(data: data, account: account) })
  }

  /// 0, or a code of sysexits(3); what there is to say has been said.
  func pop3(_ account: PullAccount, _ credential: Credential, knowledge: (any DropKnowledge)?) async -> Int32 {
    let report = await PullAll.pop3(
      account, credential: credential, context: context, knowledge: knowledge, report: { display.report($0) })
    if let stopped = report.stopped { return Refusal(stopped).code.rawValue }
    return report.failed > 0 ? EX_TEMPFAIL : EX_OK
  }

  struct IMAP: Sendable {
    var name: String
    var server: RemoteServer
    var user: String
    var credential: Credential
    var directory: String
    var settings: SyncSettings
    var watches: Bool
    var compresses: Bool
  }

  func imap(_ work: IMAP) async -> Int32 {
    do {
      let hasConnected = Connected()
      let engine = try SyncEngine(
        account: work.name, tree: MaildirTree(root: work.directory), stateFolder: nil, settings: work.settings,
        threads: context.threads,
        connect: {
          // The first connection looks at the folders; the others help with messages.
          let isFirst = !hasConnected.flag.exchange(true, ordering: .relaxed)
          let client = try await IMAPClient.connect(to: work.server, group: context.group, timeouts: .init())
          do {
            try await client.logIn(
              user: work.user, work.credential, compress: work.compresses, expectsMailboxes: isFirst)
          } catch {
            await client.abandon()
            throw error
          }
          return IMAPRemote(client, server: work.server.address.description)
        },
        report: { display.report($0) })
      defer { engine.close() }
      try await engine.remember(work.server)
      if work.watches {
        // Signals cancel the command's task (`Interruption`): a second handler of the same signal would undo the first.
        try await SyncDaemon(engine).run { report in _ = tell(report, work.name) }
        return EX_OK
      }
      return tell(try await engine.run(), work.name)
    } catch {
      let refusal = Refusal(error)
      display.report(JobEvent(.failed, account: work.name, text: refusal.sentence))
      return refusal.code.rawValue
    }
  }

  /// Problems by name; the pass has told of brakes itself.
  private func tell(_ report: SyncReport, _ name: String) -> Int32 {
    for problem in report.problems { display.report(JobEvent(.warning, account: name, text: problem)) }
    for mailbox in report.mailboxes {
      for reason in mailbox.reasons {
        display.report(JobEvent(.warning, account: name, mailbox: mailbox.mailbox, text: reason))
      }
    }
    if !report.brakes.isEmpty { return EX_NOPERM }
    return report.isComplete ? EX_OK : EX_TEMPFAIL
  }
}

extension PullCredential {
  /// - server: for messages.
  func credential(server: RemoteServer, group: any EventLoopGroup) throws -> Credential {
    switch self {
    case .password(let source): return .password(source)
    case .tokenCommand(let command): return .token(CommandTokenSource(command: command, server: server.host))
    case .refresh(let refresh):
      let endpoint = try OAuthEndpoint(url: refresh.tokenURL, trust: .system, group: group)
      let client = OAuthClient(id: refresh.clientID, secret: refresh.clientSecret, scope: refresh.scope)
      return .token(RefreshTokenSource(endpoint: endpoint, client: client, refreshToken: refresh.refreshToken))
    }
  }
}

private final class Connected: Sendable { let flag = Atomic(false) }
