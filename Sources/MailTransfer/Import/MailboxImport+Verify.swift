import LocalMail
import MailStore
import NIOCore

extension MailboxImport {
  /// Compares every message of the origin with the one that stands for it, both read again: the origin's unless this run
  /// has read it, the destination's from its disk.
  func verify() async throws {
    try await fillFingerprints()
    var differing = try await compare(messages.indices.filter { states[$0].uid != nil })
    if !differing.isEmpty {
      // The message that was taken for it is another one.
      for index in differing {
        states[index].uid = nil
        states[index].wasThere = false
      }
      let stands = Set(states.compactMap(\.uid))
      let existing = try await describeAll()
      try await takeStock(of: existing.map(\.uid).filter { !stands.contains($0) })
      try await bringMissing()
      differing = try await compare(differing.filter { states[$0].uid != nil })
      for index in differing { problem(index, "its bytes differ between source and destination") }
    }
    let stands = Set(states.compactMap(\.uid))
    report.others = try await describeAll().count { !stands.contains($0.uid) }
    for index in messages.indices
    where states[index].uid == nil && !states[index].isGone && !states[index].hasProblem {
      problem(index, "it is not in the destination")
    }
  }

  /// Reads what this run has not read.
  private func fillFingerprints() async throws {
    let unread = messages.indices.filter {
      states[$0].fingerprint == nil && states[$0].uid != nil && !states[$0].hasProblem
    }
    guard !unread.isEmpty else { return }
    try await origin.bodies(unread.map { messages[$0] }, of: mailbox) { position, body in
      let index = unread[position]
      switch body {
      case .whole(let raw):
        let bytes = AppendBatch.normalized(raw)
        states[index].fingerprint = Fingerprint(of: bytes)
        report.bytes += Int64(bytes.readableBytes)
      case .large(let open):
        let stream = MeasuredBody(try await open())
        do { while try await stream.next() != nil {} } catch {
          guard let failure = stream.failure else { throw error }
          return problem(index, failure)
        }
        states[index].fingerprint = stream.fingerprint
        report.bytes += Int64(stream.octets)
      case .gone: states[index].isGone = true
      case .unreadable(let why): problem(index, why)
      }
    }
  }

  /// Those whose bytes differ; the others count as verified.
  private func compare(_ indexes: [Int]) async throws -> [Int] {
    var differing: [Int] = []
    let sorted = indexes.filter { states[$0].fingerprint != nil }.sorted { states[$0].uid ?? 0 < states[$1].uid ?? 0 }
    for start in stride(from: 0, to: sorted.count, by: TransferLimits.fingerprintsAtOnce) {
      try Task.checkCancellation()
      let some = sorted[start..<min(start + TransferLimits.fingerprintsAtOnce, sorted.count)]
      let found = try await destination.fingerprints(mailbox.name, of: some.compactMap { states[$0].uid })
      for index in some {
        guard let uid = states[index].uid else { continue }
        if let fingerprint = found[uid], fingerprint == states[index].fingerprint {
          report.verified += 1
        } else {
          differing.append(index)
        }
      }
    }
    return differing.sorted()
  }
}
