import LocalMail
import MailNet
import POP3Client

/// The end of a session: deletions by policy, and QUIT or not.
extension PullRun {
  func conclude(_ session: any POP3Session, deferred: PullError?) async throws -> Next {
    let (places, isRest) = try await chosen(session)
    report.kept = drop.messages.count
    let deletes = Set(places)
    let exposed = drop.messages.indices.count { drop.messages[$0].isRetrieved && !deletes.contains($0) }
    if exposed > 0, options.retrievalDeletes ?? (session.capabilities.expireDays == 0) {
      // RFC 2449 §6.7: with EXPIRE 0, QUIT may take away whatever RETR handed out.
      warn(
        "the server deletes or hides at QUIT what was retrieved: the session ends without QUIT, as \(exposed) messages "
          + "have to stay")
      await session.abandon()
      if let deferred { return .deferred(deferred) }
      return places.isEmpty || isDeletionOnly ? .done : .deletions
    }
    let isMore = isRest || (options.commitEvery != nil && drop.messages.contains(where: \.isUnknown))
    if !places.isEmpty {
      try await delete(places, session)
    } else if deferred == nil, !isMore {
      // Nothing hangs on the answer.
      await session.leave()
    } else {
      // The next session needs the lock of this one to be gone.
      try? await session.quit()
    }
    if let deferred { return .deferred(deferred) }
    return isMore ? .step : .done
  }

  /// DELE and QUIT. The journal says first that it was asked: if the answer is lost, the next listing tells.
  private func delete(_ places: [Int], _ session: any POP3Session) async throws {
    var entries: [Int: Int64] = [:]
    for place in places {
      if let id = drop.messages[place].entry { entries[drop.messages[place].listing.number] = id }
    }
    let asked = [witness(against: Set(places))] + entries.values.map { .deleteAsked($0) }
    try await pull.journal.write(asked, at: pull.time.now())
    let refused = try await session.delete(entries.keys.sorted(), window: options.window)
    var changes: [JournalChange] = []
    for (number, error) in refused {
      guard let id = entries.removeValue(forKey: number), let index = drop.index(ofNumber: number) else { continue }
      changes.append(.present(id))
      fail(drop.messages[index].listing, .delete, error.description)
    }
    do {
      try await session.quit()
    } catch {
      guard case .refused = error.kind else { throw error }
      // RFC 1939 §6: some were not removed, nobody says which; the next listing does.
      warn("the server did not delete all it was asked to: \(error)")
      try await pull.journal.write(changes, at: pull.time.now())
      await session.abandon()
      return
    }
    changes += entries.values.map { .gone($0) }
    report.deleted += entries.count
    report.kept -= entries.count
    try await pull.journal.write(changes, at: pull.time.now())
  }

  // MARK: Which

  /// Places in the drop, and whether there are more for another session.
  private func chosen(_ session: any POP3Session) async throws -> (places: [Int], isRest: Bool) {
    var quota: DropQuota?
    var protected: Set<Int64> = []
    if case .keepUnder = options.policy {
      do {
        quota = try await pull.knowledge?.quota()
        if let knowledge = pull.knowledge {
          protected = try await self.protected(knowledge)
        } else {
          warn("POP3 does not tell which messages were looked at: keep-under goes by age alone")
        }
      } catch {
        warn("nothing is deleted to make room, as the account's IMAP side does not answer: \(error)")
        return ([], false)
      }
      if quota == nil { quota = options.quotaOctets.map { DropQuota(limit: $0, used: nil) } }
      if quota == nil { warn("the server tells no quota: keep-under needs its size (quota, --quota)") }
    }
    let choice = Retention.choose(
      drop.messages, policy: options.policy, now: pull.time.now(), quota: quota, protected: protected)
    for warning in choice.warnings { warn(warning) }
    if !choice.warnings.isEmpty, markedByServer > 0 {
      warn(
        "\(markedByServer) messages nobody had looked at are marked as read since they were fetched, perhaps by that: they "
          + "stay (Dovecot: pop3_no_flag_updates = yes; or --keep-days)")
    }
    let step = options.commitEvery.map { max(1, $0) } ?? choice.places.count
    return (try await proved(Array(choice.places.prefix(step)), session), choice.places.count > step)
  }

  /// Without those that were recognised by their first lines and turn out to be others. Reads the rest as a whole.
  private func proved(_ places: [Int], _ session: any POP3Session) async throws -> [Int] {
    let likely = places.filter {
      if case .likely = drop.messages[$0].standing { true } else { false }
    }
    if likely.isEmpty { return places }
    // In a session that may only delete, RETR is not for mail that may have to stay.
    if isDeletionOnly { return places.filter { !likely.contains($0) } }
    let entries = try await pull.journal.entries(Set(likely.compactMap { drop.messages[$0].entry }))
    let expected = Dictionary(uniqueKeysWithValues: entries.map { ($0.id, $0.fingerprint) })
    var found: [Int: Fingerprint] = [:]
    var stream = FingerprintStream()
    try await session.retrieve(likely.map { drop.messages[$0].listing }, window: options.window) { retrieval in
      switch retrieval {
      case .whole(let number, let bytes): found[number] = Fingerprint(of: bytes)
      case .begin: stream = FingerprintStream()
      case .piece(let bytes): stream.update(bytes)
      case .end(let number):
        found[number] = stream.finish()
        stream = FingerprintStream()
      case .refused: break
      }
    }
    var changes: [JournalChange] = []
    var wrong: Set<Int> = []
    for place in likely {
      let listing = drop.messages[place].listing
      guard let id = drop.messages[place].entry else { continue }
      drop.messages[place].isRetrieved = true
      if let print = found[listing.number], print == expected[id] {
        drop.messages[place].standing = .home(id)
        changes.append(.bind(id, uidl: listing.uidl, octets: listing.octets, byTop: false))
        continue
      }
      wrong.insert(place)
      // Another message after all: the entry's own is no longer there, and this one is new to the next run.
      if found[listing.number] != nil { changes.append(.gone(id)) }
    }
    try await pull.journal.write(changes, at: pull.time.now())
    return places.filter { !wrong.contains($0) }
  }
}
