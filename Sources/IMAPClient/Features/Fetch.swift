import Bytes
public import IMAPCore
import MailNet
import NIOCore

extension IMAPClient {
  /// UID FETCH. Messages come as the server sends them; flag changes that nobody asked for go to `events()`.
  ///
  /// `changedSince` and MODSEQ are left out where the server has no CONDSTORE, which brings all messages; `vanished` where
  /// it has no QRESYNC; EMAILID where it has no OBJECTID. Long sets are split into several commands.
  /// - Throws: `ClientError`, and what `handle` throws; after that only `abandon()` is left.
  public func fetch(
    _ uids: MessageSet, _ items: [FetchItem], changedSince: UInt64? = nil, vanished: Bool = false,
    _ handle: (FetchEvent) async throws -> Void
  ) async throws {
    var modifiers: [CommandModifier] = []
    if let changedSince, hasModSeqs {
      modifiers = [CommandModifier("CHANGEDSINCE", value: ByteBuffer(string: "\(changedSince)"))]
      // RFC 7162 §3.2.6
      if vanished, enabled.contains("QRESYNC") { modifiers.append(CommandModifier("VANISHED")) }
    }
    try await fetch(uids.split(), items, modifiers, window: IMAPClientLimits.fetchWindow, handle)
  }

  /// The same for many small sets (one for each batch of bodies) with `window` commands on the way.
  public func fetch(
    batches: [MessageSet], _ items: [FetchItem], window: Int, _ handle: (FetchEvent) async throws -> Void
  ) async throws {
    try await fetch(batches.flatMap { $0.split() }, items, [], window: max(1, window), handle)
  }

  var hasModSeqs: Bool { has("CONDSTORE") || has("QRESYNC") }

  private func fetch(
    _ sets: [MessageSet], _ items: [FetchItem], _ modifiers: [CommandModifier], window: Int,
    _ handle: (FetchEvent) async throws -> Void
  ) async throws {
    let asked = items.filter {
      switch $0 {
      case .modSeq: hasModSeqs
      case .emailID: has("OBJECTID")
      default: true
      }
    }
    let plan = AskedItems(asked, sets)
    var progress = FetchProgress()
    var next = 0
    while true {
      var batch = CommandBatch()
      while progress.refusal == nil, next < sets.count, progress.waiting.count < window {
        let command = FetchCommand(
          uid: true, set: sets[next], items: asked.isEmpty ? [.uid] : asked, modifiers: modifiers)
        progress.waiting.insert(add(.fetch(command), to: &batch).tag)
        next += 1
      }
      try await send(batch)
      if progress.waiting.isEmpty { break }
      var hasEnded = false
      while !hasEnded {
        if let incoming = try inHand() {
          hasEnded = try await take(incoming, plan, &progress, handle)
        } else {
          try await fill()
        }
      }
    }
    if let refusal = progress.refusal { throw refusal }
  }

  /// True: one of the commands has ended.
  private func take(
    _ incoming: Incoming, _ plan: AskedItems, _ progress: inout FetchProgress,
    _ handle: (FetchEvent) async throws -> Void
  ) async throws -> Bool {
    switch incoming {
    case .response(.fetch(let fetch)):
      if try isAnswer(fetch, plan) {
        try await hand(.message(plan.message(fetch)), to: handle)
      } else {
        try sort(.fetch(fetch)) { (_) throws(ClientError) in false }
      }
    case .response(.vanished(earlier: true, let ranges)):
      for range in ranges { try await hand(.vanished(range), to: handle) }
    case .response(let response):
      try sort(response) { (_) throws(ClientError) in false }
      guard case .tagged(let tag, let line) = response else { return false }
      progress.waiting.remove(tag)
      completions[tag] = nil
      // RFC 5530 §3: some messages are gone, no more.
      if line.code != .expungeIssued, let error = refusal(line, "UID FETCH") {
        progress.refusal = progress.refusal ?? error
      }
      return true
    case .sectionBegin(let fetch, let name, let size):
      progress.isHandingOut = plan.isAsked(name)
      guard progress.isHandingOut else { return false }
      let origin = name.origin.flatMap { UInt32(exactly: $0) }
      let section = plan.section(name)
      try await hand(.sectionBegin(uid: fetch.uid ?? 0, section, origin: origin, size: size), to: handle)
    case .sectionPiece(let bytes):
      if progress.isHandingOut { try await hand(.sectionPiece(bytes), to: handle) }
    case .sectionEnd:
      if progress.isHandingOut { try await hand(.sectionEnd, to: handle) }
      progress.isHandingOut = false
    }
    return false
  }

  /// A handler that throws leaves answers on the way.
  private func hand(_ event: FetchEvent, to handle: (FetchEvent) async throws -> Void) async throws {
    do {
      try await handle(event)
    } catch {
      isBroken = true
      throw error
    }
  }

  /// False: news that nobody asked for.
  private func isAnswer(_ fetch: FetchResponse, _ plan: AskedItems) throws(ClientError) -> Bool {
    guard let uid = fetch.uid else {
      guard !fetch.isOnlyFlags else { return false }
      // RFC 9051 §6.4.9: the answer MUST hold the UID. Without it no message could be told from another.
      isBroken = true
      throw failure(.protocolViolation("an answer to UID FETCH has no UID"))
    }
    return fetch.isOnlyFlags ? plan.isOnlyFlags && plan.filter.contains(uid) : true
  }
}

private struct FetchProgress {
  /// Tags of the commands on the way.
  var waiting: Set<String> = []
  /// Thrown when they have ended.
  var refusal: ClientError?
  /// The section that comes in pieces was asked for.
  var isHandingOut = false
}

/// What a FETCH asks for.
private struct AskedItems {
  let sections: [SectionName]
  let isOnlyFlags: Bool
  let filter: UIDFilter

  init(_ items: [FetchItem], _ sets: [MessageSet]) {
    sections = items.compactMap { item in
      switch item {
      case .bodySection(let section, _, _): SectionName(section)
      case .binary(let part, _, _): SectionName(BodySection(part: part), isBinary: true)
      case .rfc822: SectionName(BodySection())
      case .rfc822Header: SectionName(BodySection(.header))
      case .rfc822Text: SectionName(BodySection(.text))
      default: nil
      }
    }
    isOnlyFlags = items.allSatisfy { [.flags, .uid, .modSeq].contains($0) }
    filter = UIDFilter(isOnlyFlags ? sets : [])
  }

  func isAsked(_ name: SectionName) -> Bool { asked(name) != nil }

  /// As it was asked for: servers write field names in their own case and order.
  func section(_ name: SectionName) -> BodySection { asked(name) ?? name.section }

  private func asked(_ name: SectionName) -> BodySection? {
    sections.first { $0.isBinary == name.isBinary && Self.isSame($0.section, name.section) }?.section
  }

  private static func isSame(_ asked: BodySection, _ answered: BodySection) -> Bool {
    if asked == answered { return true }
    guard asked.part == answered.part else { return false }
    switch (asked.text, answered.text) {
    case (.headerFields(let first), .headerFields(let second)),
      (.headerFieldsNot(let first), .headerFieldsNot(let second)):
      return Set(first.map { $0.lowercased() }) == Set(second.map { $0.lowercased() })
    default: return false
    }
  }

  func message(_ fetch: FetchResponse) -> FetchedMessage {
    var message = FetchedMessage(fetch)
    message.sections = fetch.sections.map { value in
      FetchedSection(
        section: section(value.name), origin: value.name.origin.flatMap { UInt32(exactly: $0) },
        isBinary: value.name.isBinary, bytes: value.bytes)
    }
    return message
  }
}
