import LocalMail
import MailStore
import NIOCore

/// One mailbox of an import.
///
/// 1. What of the origin is in the destination already: under the same UIDVALIDITY the message with the same UID and
///    date; of the rest, messages with the same fingerprint.
/// 2. Messages whose UIDs can be kept, ascending; then UIDNEXT of the origin; then those that get new UIDs.
/// 3. Every fingerprint again, from both sides. What differs counts as not being there and goes through 2 once more.
final class MailboxImport {
  let mailbox: OriginMailbox
  let origin: any ImportOrigin
  let destination: any ImportDestination
  let options: ImportOptions
  let progress: TransferProgress
  var report: TransferReport.Mailbox

  var listing = OriginListing(messages: [])
  var messages: [OriginMessage] { listing.messages }
  /// For each message of the origin.
  var states: [MessageState] = []
  /// The destination's next UID, as far as is known.
  var nextUID: UID = 1
  var keepsUIDs = false
  /// Messages of the destination that stand for none of the origin, by fingerprint.
  var spare: [Fingerprint: [UID]] = [:]

  struct MessageState {
    /// Where it is in the destination.
    var uid: UID?
    /// Of the origin's bytes, once they were read.
    var fingerprint: Fingerprint?
    var isGone = false
    /// It was in the destination before this run.
    var wasThere = false
    /// Said in the report already.
    var hasProblem = false
    var dropsUIDL = false
    var dropsKeywords = false
  }

  init(
    _ mailbox: OriginMailbox, from origin: any ImportOrigin, to destination: any ImportDestination,
    options: ImportOptions, progress: TransferProgress
  ) {
    self.mailbox = mailbox
    self.origin = origin
    self.destination = destination
    self.options = options
    self.progress = progress
    report = TransferReport.Mailbox(name: mailbox.name)
  }

  func run() async throws {
    listing = try await origin.list(mailbox)
    listing.messages = listing.messages.map { sound($0) }
    report.messages = messages.count
    states = Array(repeating: MessageState(), count: messages.count)
    progress.found(messages.count)
    let target = try await prepare()
    nextUID = target.uidNext
    let existing = target.messages > 0 ? try await describeAll() : []
    try await match(existing)
    progress.advance(messages: states.count { $0.uid != nil }, bytes: 0)
    // What was done is said even if an error ends the work.
    defer { countStates() }
    try await bringMissing()
    if options.verifies { try await verify() }
  }

  /// What the store and IMAP can hold: keywords are atoms (RFC 9051 §9), dates have four digits for the year.
  private func sound(_ message: OriginMessage) -> OriginMessage {
    var message = message
    if let date = message.date {
      let dates = TransferLimits.dates
      message.date = InternalDate(
        seconds: min(max(date.seconds, dates.lowerBound), dates.upperBound),
        zoneMinutes: min(max(date.zoneMinutes, -1439), 1439))
    }
    guard !message.keywords.allSatisfy({ StoreKeyword.isValid($0) }) else { return message }
    var keywords: [String] = []
    for keyword in message.keywords {
      let valid = StoreKeyword.valid(keyword)
      if let valid, !keywords.contains(valid) { keywords.append(valid) }
      if valid != keyword { report.note("the keyword '\(keyword)' is kept as \(valid.map { "'\($0)'" } ?? "nothing")") }
    }
    message.keywords = keywords
    return message
  }

  // MARK: The mailbox

  private func prepare() async throws -> StoreMailbox {
    let validity = options.keepsUIDs ? listing.uidValidity : nil
    var wanted = ImportedMailbox(
      name: mailbox.name, uidValidity: validity, specialUse: mailbox.specialUse,
      isSubscribed: options.subscribes && mailbox.isSubscribed)
    var target: StoreMailbox
    do {
      target = try await destination.prepare(wanted)
    } catch StoreError.importRefused(let refusal) where validity != nil {
      report.note(Self.text(refusal))
      wanted.uidValidity = nil
      target = try await destination.prepare(wanted)
    }
    keepsUIDs = validity != nil && target.uidValidity == validity
    report.keepsUIDValidity = keepsUIDs
    report.name = target.name
    return target
  }

  private static func text(_ refusal: ImportRefusal) -> String {
    switch refusal {
    case .uidValidityFixed(_, let current):
      "the mailbox has messages under UIDVALIDITY \(current) already, so messages get new UIDs"
    case .uidValidityUsed(_, let value):
      "an earlier mailbox of this name had UIDVALIDITY \(value), so messages get new UIDs"
    default: "UIDVALIDITY of the source cannot be kept, so messages get new UIDs"
    }
  }

  func describeAll() async throws -> [StoreMessage] {
    var all: [StoreMessage] = []
    var after: UID? = 0
    while let from = after {
      try Task.checkCancellation()
      let page = try await destination.describe(mailbox.name, after: from)
      all += page.messages
      after = page.next
    }
    return all
  }

  // MARK: What is there already

  private func match(_ existing: [StoreMessage]) async throws {
    guard !existing.isEmpty, !messages.isEmpty else { return }
    var byUID = Dictionary(uniqueKeysWithValues: existing.map { ($0.uid, $0) })
    if keepsUIDs {
      for (index, message) in messages.enumerated() {
        guard let uid = message.uid, let found = byUID[uid],
          // A message that came in here under the same UID has another date. `verify` looks at the bytes.
          message.date.map({ $0.seconds == found.date.seconds }) ?? true,
          message.size.map({ $0 == found.size }) ?? true
        else { continue }
        states[index].uid = uid
        states[index].wasThere = true
        byUID[uid] = nil
      }
    }
    guard states.contains(where: { $0.uid == nil }) else { return }
    try await takeStock(of: byUID.keys.sorted())
  }

  /// Messages of the destination that messages of the origin may turn out to be.
  func takeStock(of uids: [UID]) async throws {
    spare = [:]
    for start in stride(from: 0, to: uids.count, by: TransferLimits.fingerprintsAtOnce) {
      try Task.checkCancellation()
      let some = Array(uids[start..<min(start + TransferLimits.fingerprintsAtOnce, uids.count)])
      let found = try await destination.fingerprints(mailbox.name, of: some)
      for uid in some { if let fingerprint = found[uid] { spare[fingerprint, default: []].append(uid) } }
    }
  }

  /// The message turns out to be there.
  func claim(_ fingerprint: Fingerprint) -> UID? {
    guard var uids = spare[fingerprint], !uids.isEmpty else { return nil }
    let uid = uids.removeFirst()
    spare[fingerprint] = uids.isEmpty ? nil : uids
    return uid
  }

  // MARK: What is not there

  func bringMissing() async throws {
    func isMissing(_ index: Int) -> Bool {
      states[index].uid == nil && !states[index].isGone && !states[index].hasProblem
    }
    let first = messages.indices.filter { isMissing($0) && canKeepUID(messages[$0]) }
    try await AppendBatch(self, keepsUIDs: true).bring(first)
    if keepsUIDs, let next = listing.uidNext, next > nextUID {
      // Before others take UIDs: those that were deleted in the origin are not given again (RFC 9051 §2.3.1.1).
      nextUID = try await destination.prepare(ImportedMailbox(name: mailbox.name, uidNext: next)).uidNext
    }
    try await AppendBatch(self, keepsUIDs: false).bring(messages.indices.filter { isMissing($0) })
  }

  func canKeepUID(_ message: OriginMessage) -> Bool {
    guard keepsUIDs, let uid = message.uid else { return false }
    return uid >= nextUID
  }

  private func countStates() {
    report.present = states.count { $0.wasThere && $0.uid != nil }
    let gone = states.count { $0.isGone }
    report.messages = messages.count - gone
    if gone > 0 { report.note("\(gone) messages went away in the source while they were to be read") }
    report.newUIDLs = states.count { $0.dropsUIDL && $0.uid != nil }
    guard options.keepsUIDs else { return }
    report.renumbered = zip(messages, states).count { message, state in
      guard let uid = message.uid, let here = state.uid else { return false }
      return !keepsUIDs || uid != here
    }
  }

  /// How a report calls a message.
  func label(_ index: Int) -> String {
    messages[index].uid.map { "UID \($0)" } ?? messages[index].key
  }

  func problem(_ index: Int, _ text: String) {
    states[index].hasProblem = true
    report.problem("\(label(index)): \(text)")
  }
}
