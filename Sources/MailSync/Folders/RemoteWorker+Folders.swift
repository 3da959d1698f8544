import IMAPClient
import IMAPCore
import LocalMail

/// Folders of a pass, and what was done to bring both sides together.
struct FolderResult: Sendable {
  var mailboxes: [PassMailbox] = []
  var report = SyncReport()
}

extension RemoteWorker {
  /// Brings the folders of both sides together: renames first (so that nothing is taken for deleted and new), then what is
  /// new. Folders that are gone on one side are only marked: their messages go through the brake before.
  func arrangeFolders() async throws -> FolderResult {
    let remote = try await connection()
    try await leave()
    let usesFiles = job.settings.mode != .headers
    var view = FolderView(
      map: NameMap(remote.traits), patterns: job.settings.mailboxes, remotes: try await remote.mailboxes(),
      locals: usesFiles ? try await job.local.folders() : [], known: try await job.state.mailboxes())
    var result = FolderResult()
    for name in view.missing { result.report.problems.append("\(name): no such mailbox on the server") }
    try await followRemoteRenames(&view, &result.report)
    if job.settings.mode == .sync { try await followLocalRenames(&view, &result.report) }
    for known in view.known {
      if let mailbox = try await present(known, view, &result.report) { result.mailboxes.append(mailbox) }
    }
    try await takeFreshRemotes(&view, &result)
    if usesFiles { try await takeFreshLocals(&view, &result) }
    if usesFiles { try await mergeSubscriptions(&result, view) }
    result.mailboxes.sort {
      (!NameMap.isInbox($0.mailbox.remote) ? 1 : 0, $0.mailbox.remote)
        < (!NameMap.isInbox($1.mailbox.remote) ? 1 : 0, $1.mailbox.remote)
    }
    return result
  }

  /// A known mailbox: on both sides, on one, or on none.
  private func present(
    _ known: KnownMailbox, _ view: FolderView, _ report: inout SyncReport
  ) async throws -> PassMailbox? {
    let remote = view.remotes[known.remote]
    let isLocal = view.locals.contains(known.local) || job.settings.mode == .headers
    switch (remote, isLocal) {
    case (let remote?, true): return PassMailbox(mailbox: known, presence: .both, status: remote.status)
    case (nil, true): return PassMailbox(mailbox: known, presence: .remoteGone, status: nil)
    case (let remote?, false):
      if job.settings.mode == .sync {
        return PassMailbox(mailbox: known, presence: .localGone, status: remote.status)
      }
      do { try await job.local.createFolder(known.local) } catch let error as LocalMailError {
        report.problems.append("\(known.remote): \(error)")
        return nil
      }
      report.foldersCreatedLocally.append(known.remote)
      return PassMailbox(mailbox: known, presence: .both, status: remote.status)
    case (nil, false):
      try await job.state.forget(mailbox: known.id)
      return nil
    }
  }

  private func takeFreshRemotes(_ view: inout FolderView, _ result: inout FolderResult) async throws {
    for mailbox in view.freshRemotes {
      guard let path = view.map.local(mailbox.name) else {
        result.report.problems.append(SyncError.unusableName(mailbox.name).description)
        continue
      }
      if let other = view.known.first(where: { $0.local == path }) {
        // One that is gone from the server makes room in this pass.
        if view.remotes[other.remote] != nil {
          result.report.problems.append(SyncError.nameClash(mailbox: mailbox.name, other: other.remote).description)
        }
        continue
      }
      if job.settings.mode != .headers, !view.locals.contains(path) {
        do { try await job.local.createFolder(path) } catch let error as LocalMailError {
          // A name that this disk cannot hold must not keep the other mailboxes.
          result.report.problems.append("\(mailbox.name): \(error)")
          continue
        }
        view.locals.insert(path)
        result.report.foldersCreatedLocally.append(mailbox.name)
      }
      let known = try await job.state.add(KnownMailbox(remote: mailbox.name, local: path))
      view.known.append(known)
      result.mailboxes.append(PassMailbox(mailbox: known, presence: .both, status: mailbox.status))
    }
  }

  private func takeFreshLocals(_ view: inout FolderView, _ result: inout FolderResult) async throws {
    for path in view.freshLocals {
      guard let name = view.map.remote(path) else {
        result.report.problems.append(SyncError.unusableName(path.joined(separator: "/")).description)
        continue
      }
      guard view.isWanted(name) else { continue }
      guard job.settings.mode == .sync else {
        result.report.onlyLocalFolders.append(path.joined(separator: "/"))
        continue
      }
      // A mailbox whose name maps elsewhere keeps its folder.
      if view.known.contains(where: { $0.remote == name }) { continue }
      do {
        // Also a name that is only a level of others until now (\Noselect; RFC 9051 §6.3.5).
        if view.remotes[name] == nil { try await connection().create(name) }
      } catch  where error.isRefusal {
        result.report.problems.append(error.sentence)
        continue
      }
      let known = try await job.state.add(KnownMailbox(remote: name, local: path))
      view.known.append(known)
      result.report.foldersCreatedRemotely.append(name)
      result.mailboxes.append(PassMailbox(mailbox: known, presence: .both, status: nil))
    }
  }
}
