import IMAPClient

extension RemoteWorker {
  /// The side that changed a subscription is right; where nobody knows, being subscribed is.
  func mergeSubscriptions(_ result: inout FolderResult, _ view: FolderView) async throws {
    let before = Set(try await job.local.subscriptions())
    var local = before
    var agreed: [(Int64, Bool)] = []
    for index in result.mailboxes.indices where result.mailboxes[index].presence == .both {
      let known = result.mailboxes[index].mailbox
      let isRemote = view.remotes[known.remote]?.attributes.contains("\\subscribed") ?? false
      let isLocal = before.contains(known.local)
      let wanted: Bool
      switch (job.settings.mode, known.isSubscribed) {
      case (.sync, let ancestor?): wanted = isLocal != ancestor ? isLocal : isRemote
      case (.sync, nil): wanted = isLocal || isRemote
      default: wanted = isRemote
      }
      if wanted != isRemote {
        do { try await connection().subscribe(known.remote, wanted) } catch  where error.isRefusal {
          result.report.problems.append(error.sentence)
          continue
        }
        result.report.subscriptionsChanged += 1
      }
      if wanted != isLocal {
        if wanted { local.insert(known.local) } else { local.remove(known.local) }
        result.report.subscriptionsChanged += 1
      }
      if known.isSubscribed != wanted { agreed.append((known.id, wanted)) }
      result.mailboxes[index].mailbox.isSubscribed = wanted
    }
    if local != before {
      try await job.local.setSubscriptions(local.sorted { Paths.text($0) < Paths.text($1) })
    }
    if !agreed.isEmpty { try await job.state.setSubscribed(agreed) }
  }
}
