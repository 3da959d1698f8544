import Foundation
import IMAPCore
import MailStore
import MailStoreSQL
import MallocCount
import NIOCore

/// Calls of the store over files, as sessions make them: one delivery (synced), lines of FETCH of a thousand messages, flags.
func measureStore(_ meter: inout Meter) async throws {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("micro-\(UUID().uuidString)").path
  let store = try SQLStore.open(directory: folder)
  do {
    try await measure(store, &meter)
  } catch {
    await store.close()
    try? FileManager.default.removeItem(atPath: folder)
    throw error
  }
  await store.close()
  try FileManager.default.removeItem(atPath: folder)
}

private func deliver(_ bytes: ByteBuffer, to account: AccountID, of store: SQLStore) async throws {
  let incoming = store.newIncomingMessage()
  try await incoming.append(bytes)
  let message = try await incoming.finish()
  let target = DeliveryTarget(account: account, trace: ByteBuffer(string: "Delivered-To: budi@example.net\r\n"))
  let date = InternalDate(seconds: 1_793_000_000, zoneMinutes: 420)
  for result in await store.deliver(message, to: [target], date: date) { _ = try result.get() }
}

/// Waits until the store's own threads have nothing to do any more (index, contents in chunks): what they take is nobody's who is
/// measured. They look once in a second; whoever works for longer than a minute is measured with it.
private func rest() async throws {
  var quiet = 0
  for _ in 0..<60 where quiet < 3 {
    let before = merpati_mallocs()
    try await Task.sleep(for: .seconds(1))
    quiet = merpati_mallocs() - before < 1000 ? quiet + 1 : 0
  }
}

private func measure(_ store: SQLStore, _ meter: inout Meter) async throws {
  let account = try await store.addAccount(NewAccount(name: "budi", credentials: "")).id
  for (name, bytes) in Sample.all {
    try await meter.measure("deliver, \(name)", times: 100) { try await deliver(bytes, to: account, of: store) }
  }
  let big = try await store.addAccount(NewAccount(name: "ayu", credentials: "")).id
  for number in 0..<1000 { try await deliver(Sample.all[number % 2].bytes, to: big, of: store) }
  try await rest()
  let mailbox = try await store.openMailbox("INBOX", of: big, onChange: {})
  guard let snapshot = mailbox.current, snapshot.count == 1000 else { throw MicroError("the mailbox is not as filled") }
  var uids: [UID] = []
  snapshot.forEach(in: 0..<snapshot.count) { uids.append($1.uid) }
  measureFlagLines(snapshot, &meter)
  try await measureVisits(store, mailbox.ref, uids, &meter)
  try await meter.measure("store flags of one message", times: 50) {
    keep(try await store.changeFlags(FlagChange(.add, .flagged), of: [uids[500]], in: mailbox.ref))
    keep(try await store.changeFlags(FlagChange(.remove, .flagged), of: [uids[500]], in: mailbox.ref))
  }
  try await meter.measure("store flags, each of 1,000 messages", times: 10, of: 2000) {
    keep(try await store.changeFlags(FlagChange(.add, .seen), of: uids, in: mailbox.ref))
    keep(try await store.changeFlags(FlagChange(.remove, .seen), of: uids, in: mailbox.ref))
  }
  mailbox.close()
}

/// FETCH of flags is answered from the snapshot, on the event loop.
private func measureFlagLines(_ snapshot: MailboxSnapshot, _ meter: inout Meter) {
  var out = ByteBuffer()
  meter.measure("FETCH FLAGS, each of 1,000 messages", times: 200, of: 1000) {
    out.clear()
    snapshot.forEach(in: 0..<snapshot.count) { index, entry in
      var line = FetchLine(sequence: index + 1, into: &out)
      line.writeUID(entry.uid, into: &out)
      line.writeFlags(FlagSet(rawValue: entry.flags.rawValue), keywords: entry.keywords, into: &out)
      line.end(into: &out)
    }
  }
}

private func measureVisits(
  _ store: SQLStore, _ ref: MailboxRef, _ uids: [UID], _ meter: inout Meter
) async throws {
  try await meter.measure("visit of one message", times: 300) {
    keep(try await store.visit(ref, uids[500...500], needs: [.dates]) { _ throws(StoreError) in .next })
  }
  let lines = Lines()
  try await meter.measure("FETCH ENVELOPE, each of 1,000 messages", times: 20, of: 1000) {
    lines.out.clear()
    keep(
      try await store.visit(ref, uids[...], needs: [.dates, .envelope]) { row throws(StoreError) in
        var line = FetchLine(sequence: 1, into: &lines.out)
        line.writeUID(row.uid, into: &lines.out)
        line.writeSize(row.size, into: &lines.out)
        line.writeName("ENVELOPE", into: &lines.out)
        row.appendEnvelope(to: &lines.out)
        line.end(into: &lines.out)
        return .next
      })
  }
  try await meter.measure("FETCH BODYSTRUCTURE, each of 1,000 messages", times: 20, of: 1000) {
    lines.out.clear()
    keep(
      try await store.visit(ref, uids[...], needs: [.bodyStructure]) { row throws(StoreError) in
        row.appendBodyStructure(to: &lines.out)
        return .next
      })
  }
  try await meter.measure("FETCH body, each of 1,000 messages", times: 5, of: 1000) {
    keep(
      try await store.visit(ref, uids[...], needs: [.message]) { row throws(StoreError) in
        try row.withMessage { (bytes) throws(StoreError) in keep(bytes.byteCount) }
        return .next
      })
  }
}

/// Where lines are written to.
///
/// `@unchecked Sendable`: only the visitor of a visit that is waited for touches it.
private final class Lines: @unchecked Sendable {
  var out = ByteBuffer()
}
