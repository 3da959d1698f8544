import IMAPClient
import IMAPCore
import LocalMail

extension RemoteWorker {
  /// A mailbox that is gone and one that is new with the same UIDVALIDITY and the same messages are one.
  func followRemoteRenames(_ view: inout FolderView, _ report: inout SyncReport) async throws {
    for index in view.knownOrder {
      let known = view.known[index]
      guard view.remotes[known.remote] == nil, let validity = known.uidValidity else { continue }
      for candidate in view.freshRemotes where candidate.status?.uidValidity == validity {
        guard let path = view.map.local(candidate.name), try await isSame(known, candidate) else { continue }
        let isHere = view.locals.contains(known.local)
        let isThere = view.locals.contains(path) && path != known.local
        // A folder of that name has a life of its own: its messages are matched one by one.
        if isThere && (isHere || view.known.contains { $0.local == path }) { continue }
        var changed: Set<Int> = [index]
        if path != known.local {
          if isHere {
            do { try await job.local.renameFolder(known.local, to: path) } catch let error as LocalMailError {
              report.problems.append("\(known.remote) → \(candidate.name): \(error)")
              break
            }
          }
          changed.formUnion(view.localWasRenamed(known.local, to: path))
        }
        changed.formUnion(rename(&view, index, to: candidate.name))
        try await job.state.rename(changed.map { view.known[$0] })
        report.foldersRenamedLocally.append("\(known.remote) → \(candidate.name)")
        break
      }
    }
  }

  /// The state's names of a mailbox that the server has renamed, and of its children.
  private func rename(_ view: inout FolderView, _ index: Int, to name: String) -> Set<Int> {
    let old = view.known[index].remote
    view.known[index].remote = name
    guard let delimiter = view.map.delimiter.map(String.init) else { return [index] }
    var changed: Set<Int> = [index]
    for child in view.known.indices where view.known[child].remote.hasPrefix(old + delimiter) {
      let new = name + view.known[child].remote.dropFirst(old.count)
      if view.remotes[view.known[child].remote] == nil, view.remotes[new] != nil {
        view.known[child].remote = new
        changed.insert(child)
      }
    }
    return changed
  }

  /// UIDVALIDITY alone may be a second of the clock: some UIDs and sizes must agree too.
  private func isSame(_ known: KnownMailbox, _ candidate: RemoteMailbox) async throws -> Bool {
    if let next = candidate.status?.uidNext, let old = known.uidNext, next < old { return false }
    let rows = try await job.state.messages(of: known.id).filter { !$0.isGone }
    if rows.isEmpty { return candidate.status?.messages == 0 && candidate.status?.uidNext == known.uidNext }
    guard try await select(candidate.name, resync: nil).exists > 0 else { return false }
    // The newest: they are the last to be deleted.
    let sample = rows.suffix(SyncLimits.renameSamples)
    let sizes = Dictionary(sample.map { ($0.uid, $0.size) }) { first, _ in first }
    let found = try await connection().messages(MessageSet(sorted: sizes.keys.sorted()), .identity, changedSince: nil)
    return found.count * 2 >= sample.count && found.allSatisfy { sizes[$0.uid] == $0.size }
  }

  /// A folder that is gone and one that is new with the same files are one.
  func followLocalRenames(_ view: inout FolderView, _ report: inout SyncReport) async throws {
    var scans: [[String]: Set<String>] = [:]
    for index in view.knownOrder {
      let known = view.known[index]
      guard view.remotes[known.remote] != nil, !view.locals.contains(known.local), !NameMap.isInbox(known.remote) else {
        continue
      }
      let bases = Set(try await job.state.messages(of: known.id).compactMap(\.base))
      var best: (path: [String], count: Int)?
      for path in view.freshLocals {
        guard let name = view.map.remote(path), !view.remoteNames.contains(name) else { continue }
        let files: Set<String>
        if let scan = scans[path] {
          files = scan
        } else {
          files = Set(try await job.local.scan(.folder(path)).map(\.base))
          scans[path] = files
        }
        let count = files.intersection(bases).count
        if count > 0, count * 2 >= bases.count, count > best?.count ?? 0 { best = (path, count) }
      }
      guard let best, let name = view.map.remote(best.path) else { continue }
      try await renameRemotely(index, to: name, best.path, &view, &report)
    }
  }

  private func renameRemotely(
    _ index: Int, to name: String, _ path: [String], _ view: inout FolderView, _ report: inout SyncReport
  ) async throws {
    let known = view.known[index]
    try await leave(known.remote)
    do { try await connection().rename(known.remote, to: name) } catch  where error.isRefusal {
      report.problems.append(error.sentence)
      return
    }
    var changed = Set(view.remoteWasRenamed(known.remote, to: name))
    view.known[index].local = path
    changed.insert(index)
    // Children that went along here too.
    for child in view.known.indices where child != index && view.known[child].local.starts(with: known.local) {
      let new = path + view.known[child].local.dropFirst(known.local.count)
      if !view.locals.contains(view.known[child].local), view.locals.contains(new) {
        view.known[child].local = new
        changed.insert(child)
      }
    }
    try await job.state.rename(changed.map { view.known[$0] })
    report.foldersRenamedRemotely.append("\(known.remote) → \(name)")
  }
}
