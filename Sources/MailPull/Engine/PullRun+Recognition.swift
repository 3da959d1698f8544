import LocalMail
import POP3Client

/// Before anything is fetched: what an interrupted run left, and what is at home although its UIDL does not say so.
extension PullRun {
  /// What the journal says allows DELE: it must not be held against another place than the one it was written of.
  func enterPlace() async throws {
    let known = try await pull.journal.place()
    let found = try await pull.target.place()
    if found == .unknowable || (known.map { found == .marked($0) } ?? false) { return try await pull.target.prepare() }
    if known != nil {
      let home = try await pull.journal.lines().count { $0.state.rawValue >= JournalEntry.State.landed.rawValue }
      guard home == 0 else {
        throw PullError(
          .placeLost(pull.target.name, journal: pull.journal.path, messages: home), account: account)
      }
    }
    try await pull.target.prepare()
    // A Maildir that another account or `pull imap` has marked is taken with its mark.
    // What is gone from the server would be known again, should it come back, and is not here either.
    let mark = if case .marked(let mark) = found { mark } else { try await pull.target.setMark(Self.newMark()) }
    try await pull.journal.setPlace(mark, forgetting: known != nil)
  }

  private static func newMark() -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<32).map { _ in digits[Int.random(in: 0..<16)] })
  }

  /// Settles what an earlier run, or an earlier session of this one, began to land.
  func recover() async throws {
    let entries = try await pull.journal.unsettled()
    let begun = entries.filter { $0.state == .intended }
    var changes: [JournalChange] = []
    if !begun.isEmpty {
      let answers = try await pull.target.recover(begun)
      guard answers.count == begun.count else {
        throw PullError(.target(pull.target.name, "it does not know what it has"), account: account)
      }
      for (entry, answer) in zip(begun, answers) {
        switch answer {
        case .landed(let receipt):
          changes.append(.landed(entry.id, receipt: receipt))
          if report.sessions > 0 { countLanded(entry.id, octets: entry.octets) }
        case .absent: changes.append(.forget(entry.id))
        case .unknown: changes.append(options.deliversDoubtfulAgain ? .forget(entry.id) : .doubtful(entry.id))
        }
      }
    }
    if options.deliversDoubtfulAgain {
      changes += entries.filter { $0.state == .doubtful }.map { .forget($0.id) }
    }
    try await pull.journal.write(changes, at: pull.time.now())
  }

  func countLanded(_ id: Int64, octets: Int64) {
    guard landedEntries.insert(id).inserted else { return }
    report.landed += 1
    report.octets += octets
  }

  /// UIDLs can be believed although none is known: a message that was to stay when others were deleted is still listed.
  private func callWitness() async throws {
    guard drop.isBelieved, !drop.isSound, drop.unexplained.values.contains(where: { $0.state == .deleteAsked }),
      let witness = try await pull.journal.witness()
    else { return }
    drop.isSound = drop.messages.contains {
      $0.listing.uidl == witness.uidl && $0.listing.octets == witness.octets
    }
  }

  /// Writes down which message stays while others go.
  func witness(against deleted: Set<Int>) -> JournalChange {
    let stays = drop.messages.indices.first { !deleted.contains($0) && drop.messages[$0].listing.uidl != nil }
    guard let stays, let uidl = drop.messages[stays].listing.uidl else { return .witness(nil) }
    return .witness(JournalWitness(uidl: uidl, octets: drop.messages[stays].listing.octets))
  }

  /// Finds the entries that unknown messages may turn out to be, and asks TOP where that saves a RETR.
  func recognise(_ session: any POP3Session) async throws -> ClaimTable {
    try await callWitness()
    try await settle()
    var claims = ClaimTable()
    let unknown = drop.messages.filter(\.isUnknown).map(\.listing)
    if !unknown.isEmpty {
      for entry in try await pull.journal.entries(Set(drop.unexplained.keys)) { claims.add(entry) }
      for entry in try await pull.journal.gone(uidls: unknown.compactMap(\.uidl)) { claims.add(entry) }
    }
    // A message to be deleted has to be compared as a whole anyway.
    if options.policy != .delete, session.capabilities.top, !claims.isEmpty {
      let asked = unknown.filter { claims.mayKnow(octets: $0.octets, uidl: $0.uidl) }
      try await askTop(asked, session, &claims)
    }
    for message in drop.messages {
      guard case .doubtful = message.standing else { continue }
      fail(message.listing, .deliver, Self.doubt(pull.target.name))
    }
    return claims
  }

  private func askTop(
    _ asked: [POP3Listing], _ session: any POP3Session, _ claims: inout ClaimTable
  ) async throws {
    if asked.isEmpty { return }
    var hashes: [Int: [UInt8]] = [:]
    var probe = MessageProbe()
    try await session.top(asked, lines: PullLimits.topLines, window: options.window) { retrieval in
      switch retrieval {
      case .whole(let number, let bytes):
        var probe = MessageProbe()
        probe.update(bytes)
        hashes[number] = probe.topHash()
      case .begin: probe = MessageProbe()
      case .piece(let bytes): probe.update(bytes)
      case .end(let number): hashes[number] = probe.topHash()
      // Then RETR tells.
      case .refused: break
      }
    }
    var changes: [JournalChange] = []
    for listing in asked {
      guard let hash = hashes[listing.number], let index = drop.index(ofNumber: listing.number),
        let entry = claims.claim(top: hash, octets: listing.octets, uidl: listing.uidl)
      else { continue }
      changes.append(.bind(entry.id, uidl: listing.uidl, octets: listing.octets, byTop: true))
      let isDoubtful = entry.state == .doubtful || entry.state == .intended
      drop.messages[index].standing = isDoubtful ? .doubtful(entry.id) : .likely(entry.id)
      drop.messages[index].landedAt = entry.landedAt
      drop.unexplained[entry.id] = nil
    }
    try await pull.journal.write(changes, at: pull.time.now())
  }

  /// Writes down what the listing tells of entries: deletions that happened, or did not.
  func settle() async throws {
    var changes: [JournalChange] = []
    for index in drop.messages.indices where drop.messages[index].wasDeleteAsked {
      drop.messages[index].wasDeleteAsked = false
      if let id = drop.messages[index].entry { changes.append(.present(id)) }
    }
    if !drop.unexplained.isEmpty {
      // A message of unknown content may be any of the unexplained.
      let isOpen = drop.messages.contains { ($0.isUnknown || $0.standing == .failed) && !$0.isRetrieved }
      let listed = Set(drop.messages.compactMap(\.listing.uidl))
      for line in drop.unexplained.values {
        let isAbsent =
          !isOpen || (drop.isSound && line.state == .deleteAsked && line.uidl.map { !listed.contains($0) } ?? false)
        guard isAbsent else { continue }
        changes.append(line.state.rawValue < JournalEntry.State.landed.rawValue ? .forget(line.id) : .gone(line.id))
        if line.state == .deleteAsked { report.deleted += 1 }
        drop.unexplained[line.id] = nil
      }
    }
    try await pull.journal.write(changes, at: pull.time.now())
  }
}
