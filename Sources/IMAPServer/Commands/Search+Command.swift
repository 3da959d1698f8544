import IMAPCore
import MailFormat
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// Criteria that are looked at on the event loop for as many messages as may be; more, for fewer messages.
  private static let criteriaOnLoop = 16

  /// SEARCH by flags and numbers in a mailbox of moderate size. Nil: it needs the store, or takes too long for the loop.
  func searchMemory(_ command: SearchCommand, tag: String) throws(CommandError) -> Completion? {
    try checkContext(command, tag)
    // RFC 6855 §3
    if isUTF8, command.charset != nil { throw .bad("No CHARSET after ENABLE UTF8=ACCEPT") }
    tell(expunge: false, includeUID: isRev2 || command.uid)
    guard !isOver else { throw .connectionClosed }
    guard !command.key.hasFilter else { return nil }
    try checkRelevancy(command)
    guard command.returns?.contains(.relevancy) != true else { return nil }
    var (view, node) = try compiled(command)
    let code = limit(&node, view.told)
    guard node.level == .snapshot else { return nil }
    let candidates = node.candidates(of: view.told.count)
    guard candidates.count <= settings.messagesOnLoop,
      candidates.count * node.size <= settings.messagesOnLoop * Self.criteriaOnLoop
    else { return nil }
    let scan = SearchScan(node, view.told, in: candidates)
    return searchDone(command, tag, scan.found, view, code)
  }

  /// Also what SORT and THREAD search for.
  /// - comparator: nil: the active one.
  func compiled(
    _ command: SearchCommand, by comparator: Comparator? = nil
  ) throws(CommandError) -> (MailboxView, SearchNode) {
    let view = try selectedView()
    // RFC 7162 §3.1
    if command.key.hasModSeq { enableCondStore() }
    do throws(CommandError) {
      return (view, try compiled(command, in: view, by: comparator))
    } catch {
      dropSaved(command.returns, after: error)
      throw error
    }
  }

  /// RFC 5182 §2.1: a search with SAVE that is answered NO empties the search result variable. One that is answered BAD MUST
  /// NOT change it.
  func dropSaved(_ returns: SearchCommand.Return?, after error: CommandError) {
    if returns?.contains(.save) == true, !error.isBad { view?.saved = [] }
  }

  /// In any mailbox.
  func compiled(
    _ command: SearchCommand, in view: MailboxView, by comparator: Comparator? = nil
  ) throws(CommandError) -> SearchNode {
    let collation = (comparator ?? self.comparator).collation
    guard command.key.fuzzyOctets <= settings.fuzzyOctets else {
      throw .no(.limit, "At most \(settings.fuzzyOctets) octets can be searched for by FUZZY")
    }
    let compiler = try SearchCompiler(command, view, isRev2: isRev2, collation, now: settings.now())
    let node = compiler.compile(command.key).simplified()
    guard node.texts <= settings.searchTexts else {
      throw .no(.limit, "At most \(settings.searchTexts) texts can be searched for at once")
    }
    return node
  }

  /// SEARCH and UID SEARCH (RFC 9051 §6.4.4).
  func search(_ command: SearchCommand, tag: String) async throws(CommandError) -> Completion {
    do throws(CommandError) {
      let command = try await expandingFilters(command)
      try checkRelevancy(command)
      var (view, node) = try compiled(command)
      let code = limit(&node, view.told)
      let found = try await find(node, view)
      var scores: [UID: UInt8]?
      if command.returns?.contains(.relevancy) == true {
        scores = try await relevancy(of: visible(found, view).found, command, view)
      }
      return searchDone(command, tag, found, view, code, scores)
    } catch {
      dropSaved(command.returns, after: error)
      throw error
    }
  }

  /// What the snapshot cannot decide is decided by columns, and only what these cannot decide by opening messages.
  /// - candidates: nil: all messages.
  func find(
    _ node: SearchNode, _ view: MailboxView, in candidates: IndexRanges? = nil
  ) async throws(CommandError) -> IndexRanges {
    let told = view.told
    let scan = await SearchScan.run(node, told, in: candidates ?? node.candidates(of: told.count))
    var found = scan.found.ranges
    var rest = [(node: node, undecided: scan.undecided)]
    let (present, gone) = apart(scan.undecided, view)
    if let narrowed = try await narrowed(node, told, view.mailbox.ref, undecided: present) {
      let again = await SearchScan.run(narrowed, told, in: present)
      found += again.found.ranges
      rest = [(narrowed, again.undecided), (node, gone)]
    }
    let open = rest.reduce(0) { $0 + $1.undecided.count }
    beginProgress("Searching", done: told.count - open, of: told.count)
    defer { endProgress() }
    for (node, undecided) in rest {
      var undecided = undecided
      let levels: [SearchNode.Level] = node.needs(upTo: .columns).isEmpty ? [.message] : [.columns, .message]
      // Columns alone leave nothing undecided, but where a message has more header lines than are kept beside it.
      for level in levels where !undecided.isEmpty {
        let result = try await visit(node, told, view.mailbox.ref, undecided, level)
        found += result.found
        undecided = IndexRanges(merging: result.undecided)
      }
    }
    return IndexRanges(merging: found)
  }

  /// Messages that are there, and ghosts: of these the index may know more than the store, or less, and is not asked.
  private func apart(_ indexes: IndexRanges, _ view: MailboxView) -> (present: IndexRanges, ghosts: IndexRanges) {
    guard view.ghosts > 0 else { return (indexes, IndexRanges()) }
    var (present, ghosts) = (IndexRanges(), IndexRanges())
    indexes.forEach { if view.isGhost(view.told[$0].uid) { ghosts.append($0) } else { present.append($0) } }
    return (present, ghosts)
  }

  private struct VisitResult {
    var found: [Range<Int>] = []
    var undecided: [Range<Int>] = []
  }

  /// Messages from which on two threads of the store look through them.
  private static let worthTwoThreads = 64

  private func visit(
    _ node: SearchNode, _ told: MailboxSnapshot, _ ref: MailboxRef, _ candidates: IndexRanges, _ level: SearchNode.Level
  ) async throws(CommandError) -> VisitResult {
    var needs = node.needs(upTo: level)
    if level == .message { needs.formUnion([.message, .dates]) }
    let wanted = needs
    let uids = candidates.uids(in: told)
    guard level == .message, uids.count >= Self.worthTwoThreads else {
      return try await visit(node, told, ref, uids[...], level, wanted)
    }
    // Reading and decoding is nearly all of the work. Two at a time, whoever searches for whatever.
    let middle = uids.count / 2
    do {
      async let first = visit(node, told, ref, uids[..<middle], level, wanted)
      async let second = visit(node, told, ref, uids[middle...], level, wanted)
      var result = try await first
      let rest = try await second
      result.found += rest.found
      result.undecided += rest.undecided
      return result
    } catch let error as CommandError {
      throw error
    } catch {
      throw .connectionClosed
    }
  }

  private func visit(
    _ node: SearchNode, _ told: MailboxSnapshot, _ ref: MailboxRef, _ uids: ArraySlice<UID>, _ level: SearchNode.Level,
    _ wanted: ContentNeeds
  ) async throws(CommandError) -> VisitResult {
    var rest = uids
    var result = VisitResult()
    var careful = 0
    while !rest.isEmpty {
      guard !isOver else { throw .connectionClosed }
      let visitor = SearchVisitor(node, told, level, wholeMessageLimit: settings.searchWholeMessageLimit)
      let slice = rest.prefix(careful > 0 ? 1 : settings.messagesPerVisit)
      let done: Int
      do throws(CommandError) {
        done = try await storeCall { store throws(StoreError) in
          try await store.visit(ref, slice, needs: wanted) { row throws(StoreError) in visitor.visit(row) }
        }
      } catch {
        try passOver(error, of: .search)
        if careful == 0 {
          careful = slice.count
        } else {
          careful -= 1
          rest = rest.dropFirst()
        }
        continue
      }
      careful = max(0, careful - done)
      if let error = visitor.firstError { try passOver(.store(error), of: .search) }
      result.found += visitor.found.ranges
      result.undecided += visitor.undecided.ranges
      for index in visitor.large {
        do throws(CommandError) {
          if try await isFound(node, index, told, ref) { result.found.append(index..<index + 1) }
        } catch {
          try passOver(error, of: .search)
        }
      }
      progressed(by: max(done, 1) - visitor.undecided.count)
      rest = rest.dropFirst(max(done, 1))
    }
    return result
  }

  /// A damaged message is not found; the others are. One bad block on the disk must not end all searches of a mailbox.
  func passOver(_ error: CommandError, of name: CommandName) throws(CommandError) {
    guard case .store(.corrupt) = error else { throw error }
    _ = completion(for: error, of: name)
  }

  // MARK: The answer

  private func searchDone(
    _ command: SearchCommand, _ tag: String, _ matches: IndexRanges, _ view: MailboxView, _ code: ResponseCode?,
    _ scores: [UID: UInt8]? = nil
  ) -> Completion {
    let (found, hasGhosts) = visible(matches, view)
    let told = view.told
    func number(_ index: Int) -> UInt32 { command.uid ? view.told[index].uid : UInt32(clamping: index + 1) }
    let numbers = { () -> [UInt32] in
      if command.uid { return found.uids(in: view.told) }
      return found.ranges.flatMap { range in range.map { UInt32(clamping: $0 + 1) } }
    }

    if let returns = command.returns {
      let part = command.partial.map { found.part($0.places(of: found.count)) }
      let named = Self.named(returns, found, part)
      if returns.contains(.save) { self.view?.saved = named.uids(in: told) }
      if returns.contains(.update) { startContext(command, nil, tag, found.uids(in: told), view) }
      // RFC 9051 §6.4.4: SAVE alone suppresses the response.
      if returns.results != .save || part != nil {
        var response = ESearchResponse(
          tag: tag, uid: command.uid, min: returns.contains(.min) ? found.first.map(number) : nil,
          max: returns.contains(.max) ? found.last.map(number) : nil, all: returns.contains(.all) ? numbers() : nil,
          count: returns.contains(.count) ? found.count : nil)
        if let range = command.partial, let part {
          response.partial = .init(range, command.uid ? part.uids(in: told) : part.sequenceNumbers)
        }
        if command.key.hasModSeq { response.modSeq = named.highestModSeq(in: told) }
        if let scores {
          let shown = returns.contains(.all) ? found : part ?? found
          response.relevancy = shown.uids(in: told).map { scores[$0] ?? 100 }
        }
        connection.out.writeESearch(response)
      }
    } else {
      let modSeq = command.key.hasModSeq ? found.highestModSeq(in: told) : nil
      if isRev2 {
        // RFC 9051 §6.4.4, appendix E.4.
        connection.out.writeESearch(ESearchResponse(tag: tag, uid: command.uid, all: numbers(), modSeq: modSeq))
      } else {
        connection.out.writeSearch(numbers(), modSeq: modSeq)
      }
    }
    let done: Sentence = command.uid ? "UID SEARCH completed" : "SEARCH completed"
    guard hasGhosts else { return .ok(done, code: code) }
    // RFC 9738 §3.1
    if let code { say(.no, code, "Only the last messages were looked at") }
    return .ok(done, code: .expungeIssued)
  }

  /// The messages that an answer with RETURN is about: those SAVE keeps (RFC 9051 §6.4.4.1, table 4; RFC 9394 §3.2,
  /// table 1), and those MODSEQ is the highest of (RFC 4731 §3.2).
  static func named(_ returns: SearchCommand.Return, _ found: IndexRanges, _ part: IndexRanges?) -> IndexRanges {
    guard returns.isDisjoint(with: [.all, .count]) else { return found }
    guard part != nil || !returns.isDisjoint(with: [.min, .max]) else { return found }
    var ranges = part?.ranges ?? []
    if returns.contains(.min), let first = found.first { ranges.append(first..<first + 1) }
    if returns.contains(.max), let last = found.last { ranges.append(last..<last + 1) }
    return IndexRanges(merging: ranges)
  }

  /// RFC 9738 §3.1: it is the messages looked at that count. Of more than may be, the last are looked at.
  func limit(_ node: inout SearchNode, _ told: MailboxSnapshot) -> ResponseCode? {
    guard settings.messageLimit > 0 else { return nil }
    var looked = node.scope(of: told.count)
    guard let code = limit(&looked, told) else { return nil }
    node = .and([.indexes(looked), node])
    return code
  }

  /// Messages that are gone are not found; the client may want to know (RFC 9051 §7.1, EXPUNGEISSUED).
  func visible(_ matches: IndexRanges, _ view: MailboxView) -> (found: IndexRanges, hasGhosts: Bool) {
    guard view.ghosts > 0 else { return (matches, false) }
    var found = IndexRanges()
    matches.forEach { if !view.isGhost(view.told[$0].uid) { found.append($0) } }
    return (found, found.count < matches.count)
  }
}

extension SearchNode {
  /// The messages that it has to look at: all, or those that its sets name.
  fileprivate func scope(of count: Int) -> IndexRanges {
    switch self {
    case .none: IndexRanges()
    case .indexes(let indexes): indexes
    case .and(let nodes): nodes.reduce(IndexRanges(0..<count)) { $0.intersection($1.scope(of: count)) }
    default: IndexRanges(0..<count)
    }
  }
}
