import Foundation
import Logging
import MailNet
import MailStore
import NIOCore
import ServiceLifecycle

/// All listeners in the life of the process. A graceful shutdown closes every door at once and lets running commands
/// finish; one that fails takes the others with it.
struct ListenersService: Service {
  let listeners: [Listener]
  let grace: TimeAmount

  func run() async throws {
    try await withGracefulShutdownHandler {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for listener in listeners { group.addTask { try await listener.run() } }
        for try await _ in group {}
      }
    } onGracefulShutdown: {
      for listener in listeners { listener.beginShutdown(grace: grace) }
    }
  }
}

/// Says once that everything runs.
struct Announcement: Service {
  let say: @Sendable () -> Void

  func run() async throws {
    say()
    try await gracefulShutdown()
  }
}

/// Removes mail whose days after POP3 retrieval are over.
struct Upkeep: Service {
  let store: any MailStore
  let seconds: Int
  let logger: Logger

  func run() async throws {
    guard seconds > 0 else {
      try? await gracefulShutdown()
      return
    }
    try? await cancelWhenGracefulShutdown {
      while !Task.isCancelled {
        do {
          let count = try await store.expireRetrieved(of: nil, now: Int64(time(nil)))
          if count > 0 { logger.info("expired after retrieval", metadata: ["messages": "\(count)"]) }
        } catch {
          logger.error("expiry failed", metadata: ["error": "\(error)"])
        }
        try await Task.sleep(for: .seconds(seconds))
      }
    }
  }
}

/// Ends the process in order after a failed sync. What reached the disk is then not known to a running store: it would go on
/// reading, refuse every write, and send all mail back to the MTA until somebody looks. A start reads the truth from the
/// disk, and whoever supervises the process (systemd) makes one. See docs/decisions/015-a-failed-sync-ends-the-process.md.
struct StoreWatch: Service {
  let failures: AsyncStream<StoreError>
  let logger: Logger

  func run() async throws {
    let failure = await cancelWhenGracefulShutdown {
      var failures = failures.makeAsyncIterator()
      return await failures.next()
    }
    guard let failure else { return }
    let sentence =
      "the disk failed to keep what was written (\(ControlFailure(failure).sentence)); start the server again"
    logger.critical("stopping: \(sentence)")
    throw ControlFailure(.inputOutput, sentence)
  }
}

/// SIGHUP reads certificates again and reopens the log; certificates are also looked at twice a minute.
struct Reloads: Service {
  let contexts: TLSContexts
  let sink: LogSink
  let logger: Logger

  func run() async throws {
    signal(SIGHUP, SIG_IGN)
    let source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: .global())
    source.setEventHandler {
      _ = contexts.reloadIfChanged()
      do { try sink.reopen() } catch { logger.error("\(error)") }
      logger.notice("reloaded")
    }
    source.resume()
    await cancelWhenGracefulShutdown { await contexts.watch() }
    source.cancel()
  }
}
