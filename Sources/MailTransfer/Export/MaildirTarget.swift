public import LocalMail
import MailStore
public import NIOPosix

/// A Maildir++ tree that a Dovecot can take over: UIDs, UIDVALIDITY, UIDLs, keywords and subscriptions stand where it looks
/// for them.
public final class MaildirTarget: ExportTarget {
  private let tree: MaildirTree
  private let threads: NIOThreadPool

  public init(_ tree: MaildirTree, threads: NIOThreadPool) {
    self.tree = tree
    self.threads = threads
  }

  public func open(_ mailbox: StoreMailbox) async throws -> any ExportMailbox {
    let path = StoreNames.path(mailbox.name)
    do {
      let (folder, list, entries) = try await threads.runIfActive { [tree] in
        try tree.create()
        let folder = try tree.createFolder(path)
        return (folder, try folder.dovecotUIDList(), try folder.scan())
      }
      if let list, list.uidValidity != mailbox.uidValidity, !entries.isEmpty {
        throw MailboxProblem(
          description: """
            \(folder.directory) has messages under UIDVALIDITY \(list.uidValidity), the mailbox has \
            \(mailbox.uidValidity): export to another folder
            """)
      }
      return MaildirExportFolder(folder, list: list, entries: entries, mailbox: mailbox, threads: threads)
    } catch let error as LocalMailError {
      // A name that is too long, say; a full disk concerns all mailboxes.
      if case .malformed = error.kind { throw MailboxProblem(description: error.description) }
      throw error
    }
  }

  public func finish(_ listing: StoreListing, names: [String]) async throws {
    let exported = Set(names)
    let subscribed = listing.mailboxes.filter { $0.isSubscribed && exported.contains($0.name) }
    let wanted = subscribed.map { StoreNames.path($0.name) }
    try await threads.runIfActive { [tree] in
      var paths = try tree.subscriptions()
      let before = paths
      for path in wanted where !paths.contains(path) { paths.append(path) }
      if paths != before { try tree.setSubscriptions(paths) }
    }
  }
}
