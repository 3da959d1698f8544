import LocalMail
import MailStore
import NIOCore

/// One mailbox of an export.
final class MailboxExport {
  private let mailbox: StoreMailbox
  private let source: any ExportSource
  private let options: ExportOptions
  private let progress: TransferProgress
  private var messages: [UID: StoreMessage] = [:]
  private var gone: Set<UID> = []
  private var damaged: Set<UID> = []
  var report: TransferReport.Mailbox

  init(
    _ mailbox: StoreMailbox, from source: any ExportSource, options: ExportOptions, progress: TransferProgress
  ) {
    self.mailbox = mailbox
    self.source = source
    self.options = options
    self.progress = progress
    report = TransferReport.Mailbox(name: mailbox.name)
  }

  func run(_ target: any ExportTarget) async throws {
    let all = try await describeAll()
    messages = Dictionary(uniqueKeysWithValues: all.map { ($0.uid, $0) })
    report.messages = all.count
    report.bytes = all.reduce(0) { $0 + Int64($1.size) }
    report.keepsUIDValidity = true
    let open = try await target.open(mailbox)
    let present = try await open.present(all) { try await self.sourceFingerprints($0) }
    report.present = present.count
    progress.advance(messages: present.count, bytes: 0)
    try await copy(all.map(\.uid).filter { !present.contains($0) }, to: open)
    let kept = all.filter { !gone.contains($0.uid) && !damaged.contains($0.uid) }
    for note in try await open.finish(mailbox, kept) { report.note(note) }
    if options.verifies { try await verify(kept.map(\.uid), open) }
    report.others = open.others
    if !gone.isEmpty {
      report.messages -= gone.count
      report.bytes -= gone.reduce(0) { $0 + Int64(messages[$1]?.size ?? 0) }
      report.note("\(gone.count) messages were expunged while they were to be read")
    }
  }

  private func describeAll() async throws -> [StoreMessage] {
    var all: [StoreMessage] = []
    var after: UID? = 0
    while let from = after {
      try Task.checkCancellation()
      let page = try await source.describe(mailbox.name, after: from)
      all += page.messages
      after = page.next
    }
    return all
  }

  private func sourceFingerprints(_ uids: [UID]) async throws -> [UID: Fingerprint] {
    var result: [UID: Fingerprint] = [:]
    for start in stride(from: 0, to: uids.count, by: TransferLimits.fingerprintsAtOnce) {
      try Task.checkCancellation()
      let some = Array(uids[start..<min(start + TransferLimits.fingerprintsAtOnce, uids.count)])
      result.merge(try await source.fingerprints(mailbox.name, of: some)) { $1 }
    }
    return result
  }

  // MARK: Copying

  private func copy(_ uids: [UID], to open: any ExportMailbox) async throws {
    for start in stride(from: 0, to: uids.count, by: TransferLimits.readAtOnce) {
      let some = Array(uids[start..<min(start + TransferLimits.readAtOnce, uids.count)])
      var step = CopyStep()
      do {
        try await source.read(mailbox.name, some) { try await take($0, &step, open) }
      } catch {
        if step.isLarge { await open.abandon() }
        throw error
      }
      gone.formUnion(some.filter { !step.seen.contains($0) })
    }
    try await open.commit()
  }

  private struct CopyStep {
    var current: (message: StoreMessage, bytes: ByteBuffer, size: Int)?
    /// The current message goes on piece by piece.
    var isLarge = false
    var seen: Set<UID> = []
  }

  private func take(_ event: StoreReadEvent, _ step: inout CopyStep, _ open: any ExportMailbox) async throws {
    switch event {
    case .begin(let uid, let size):
      try Task.checkCancellation()
      guard let message = messages[uid] else { return }
      step.seen.insert(uid)
      step.current = (message, ByteBuffer(), size)
      guard size > TransferLimits.wholeMessage else { return }
      try await open.begin(message)
      step.isLarge = true
    case .piece(let piece):
      if step.isLarge { try await open.append(piece) } else { step.current?.bytes.writeImmutableBuffer(piece) }
    case .end:
      guard let (message, bytes, size) = step.current else { return }
      if step.isLarge { try await open.end() } else { try await open.add(message, bytes) }
      step.current = nil
      step.isLarge = false
      report.transferred += 1
      progress.advance(messages: 1, bytes: Int64(size))
    case .damaged(let uid, let error):
      if step.isLarge { await open.abandon() }
      step.current = nil
      step.isLarge = false
      step.seen.insert(uid)
      damaged.insert(uid)
      report.problem("UID \(uid): \(ProblemText.of(error))")
    }
  }

  // MARK: Comparing

  private func verify(_ uids: [UID], _ open: any ExportMailbox) async throws {
    for start in stride(from: 0, to: uids.count, by: TransferLimits.fingerprintsAtOnce) {
      try Task.checkCancellation()
      let some = Array(uids[start..<min(start + TransferLimits.fingerprintsAtOnce, uids.count)])
      let here = try await source.fingerprints(mailbox.name, of: some)
      let there = try await open.fingerprints(some)
      for uid in some {
        if let expected = here[uid], there[uid] == expected {
          report.verified += 1
        } else if here[uid] != nil {
          let isThere = there[uid] != nil
          report.problem(
            "UID \(uid): " + (isThere ? "its bytes differ in the destination" : "it is not in the destination"))
        } else if try await source.describe(mailbox.name, after: uid - 1).messages.first?.uid == uid {
          report.problem("UID \(uid): it cannot be read from the store; 'merpati check' tells more")
        } else {
          gone.insert(uid)
        }
      }
    }
  }
}
