import Bytes
import IMAPCore
public import MailNet
import NIOCore

extension IMAPClient {
  /// SELECT or EXAMINE, with what has changed since `resync` where the server has QRESYNC. If it fails no mailbox is
  /// selected. Forgets what `events()` would have told of the mailbox before.
  public func select(
    _ mailbox: String, readOnly: Bool, resync: ResyncPoint?
  ) async throws(ClientError) -> SelectedMailbox {
    selected = nil
    let point = enabled.contains("QRESYNC") ? resync.flatMap { $0.modSeq > 0 ? $0 : nil } : nil
    let needsCondStore = point == nil && has("CONDSTORE") && enabled.isDisjoint(with: ["CONDSTORE", "QRESYNC"])
    let name = readOnly ? "EXAMINE" : "SELECT"
    let command = try await begin(name) { printer in
      printer.text(name)
      printer.space()
      write(mailbox, to: &printer)
      if needsCondStore { printer.word(" (CONDSTORE)") }
      guard let point else { return }
      // RFC 7162 §3.2.5
      printer.text(" (QRESYNC (\(point.uidValidity) \(point.modSeq)")
      if let known = point.knownUIDs, let set = Self.known(known) {
        printer.space()
        printer.set(set)
      }
      printer.word("))")
    }
    var answer = SelectAnswer()
    let line = try await finished(command) { (response) throws(ClientError) in try self.take(response, into: &answer) }
    // News of the mailbox before this one mean nothing any more.
    noticed.removeAll { if case .status = $0 { false } else { true } }
    let opened = answer.mailbox(mailbox, readOnly: readOnly, line.code, point)
    selected = opened
    selected?.resync = nil
    return opened
  }

  /// RFC 7162 §3.2.5.1: no `*`, ascending.
  private static func known(_ set: MessageSet) -> MessageSet? {
    guard !set.containsStar, !set.includesSavedResult else { return nil }
    let ranges = set.resolvedUIDs(last: .max)
    guard !ranges.isEmpty, ranges.count <= IMAPClientLimits.knownRanges else { return nil }
    return MessageSet(ranges.map { .init($0.lowerBound, $0.upperBound) })
  }

  private func take(_ response: IMAPResponse, into answer: inout SelectAnswer) throws(ClientError) -> Bool {
    switch response {
    case .status(let line):
      answer.take(line)
    case .exists(let count): answer.exists = count
    case .flags(let flags): answer.flags = flags
    case .recent: break
    case .vanished(earlier: true, let ranges): answer.resync.vanished += ranges
    case .fetch(let fetch) where fetch.uid != nil:
      guard answer.resync.changed.count < IMAPClientLimits.resynced else {
        isBroken = true
        throw failure(.protocolViolation("more than \(IMAPClientLimits.resynced) messages have changed"))
      }
      answer.resync.changed.append(FetchedMessage(fetch))
    default: return false
    }
    return true
  }

  /// UNSELECT, or CLOSE after EXAMINE: never expunges.
  public func unselect() async throws(ClientError) {
    guard let current = selected else { return }
    if has("UNSELECT") {
      try await run("UNSELECT")
    } else {
      // RFC 9051 §6.4.1: no messages are removed if the mailbox was selected by EXAMINE.
      if !current.isReadOnly { _ = try await select(current.name, readOnly: true, resync: nil) }
      // A server that says READ-WRITE to EXAMINE might expunge.
      if selected?.isReadOnly == true { try await run("CLOSE") }
    }
    selected = nil
  }
}

private struct SelectAnswer {
  var exists = 0
  var flags = FlagList()
  var permanent: (flags: FlagList, acceptsNewKeywords: Bool)?
  var uidValidity: UInt32?
  var uidNext: UInt32?
  var highestModSeq: UInt64?
  var resync = SelectedMailbox.Resync(vanished: [], changed: [])

  mutating func take(_ line: StatusLine) {
    switch line.code {
    // RFC 9051 §7.1: what came so far was of the mailbox selected before.
    case .closed?: self = SelectAnswer()
    case .uidValidity(let validity)?: uidValidity = validity
    case .uidNext(let uid)?: uidNext = uid
    case .highestModSeq(let modSeq)?: highestModSeq = modSeq
    case .noModSeq?: highestModSeq = nil
    case .permanentFlags(let system, let keywords, let accepts)?:
      let ignored = keywords.filter { $0.hasPrefix("\\") }
      permanent = (
        FlagList(
          system.intersection(.storable), keywords: keywords.filter { !$0.hasPrefix("\\") }, ignored: ignored), accepts
      )
    default: break
    }
  }

  func mailbox(
    _ name: String, readOnly: Bool, _ code: ResponseCode?, _ point: ResyncPoint?
  ) -> SelectedMailbox {
    // RFC 9051 §6.3.2: without PERMANENTFLAGS all flags may be changed for good; without FLAGS any may.
    let isSilent = flags.system.isEmpty && flags.keywords.isEmpty
    let permanent =
      permanent ?? (isSilent ? FlagList(.storable) : FlagList(flags.system, keywords: flags.keywords), isSilent)
    let isResynced =
      point != nil && highestModSeq != nil && uidValidity != nil && point?.uidValidity == uidValidity
    return SelectedMailbox(
      name: name, exists: exists, uidValidity: uidValidity ?? 0, uidNext: uidNext, highestModSeq: highestModSeq,
      isReadOnly: code == .readOnly || readOnly && code != .readWrite, permanentFlags: permanent.flags,
      acceptsNewKeywords: permanent.acceptsNewKeywords, resync: isResynced ? resync : nil)
  }
}
