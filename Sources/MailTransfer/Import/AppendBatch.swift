import Bytes
import LocalMail
import MailStore
import NIOCore

/// Gathers messages and hands them to the destination, some at a time.
final class AppendBatch {
  private let work: MailboxImport
  private let keepsUIDs: Bool
  private var items: [Item] = []
  private var octets = 0

  private struct Item {
    var index: Int
    var bytes: ByteBuffer
  }

  /// `keepsUIDs`: messages whose UID is taken meanwhile are left for later.
  init(_ work: MailboxImport, keepsUIDs: Bool) {
    self.work = work
    self.keepsUIDs = keepsUIDs
  }

  /// `indexes`: of the origin's messages, ascending.
  func bring(_ indexes: [Int]) async throws {
    guard !indexes.isEmpty else { return }
    try await work.origin.bodies(indexes.map { work.messages[$0] }, of: work.mailbox) { position, body in
      let index = indexes[position]
      switch body {
      case .whole(let bytes): try await take(index, bytes)
      case .large(let open):
        try await flush()
        try await takeLarge(index, open)
      case .gone: work.states[index].isGone = true
      case .unreadable(let why): work.problem(index, why)
      }
    }
    try await flush()
  }

  private func take(_ index: Int, _ raw: ByteBuffer) async throws {
    let bytes = Self.normalized(raw)
    let fingerprint = Fingerprint(of: bytes)
    work.states[index].fingerprint = fingerprint
    work.report.bytes += Int64(bytes.readableBytes)
    if let uid = work.claim(fingerprint) { return found(index, uid, bytes.readableBytes) }
    if octets + bytes.readableBytes > TransferLimits.bytesPerAppend { try await flush() }
    items.append(Item(index: index, bytes: bytes))
    octets += bytes.readableBytes
    if items.count >= TransferLimits.messagesPerAppend { try await flush() }
  }

  private func found(_ index: Int, _ uid: UID, _ octets: Int) {
    work.states[index].uid = uid
    work.states[index].wasThere = true
    work.progress.advance(messages: 1, bytes: Int64(octets))
  }

  static func normalized(_ bytes: ByteBuffer) -> ByteBuffer {
    var normalizer = LineEndNormalizer()
    var result = normalizer.normalize(bytes)
    normalizer.finish(into: &result)
    return result
  }

  // MARK: Large messages

  private func takeLarge(_ index: Int, _ open: () async throws -> (() async throws -> ByteBuffer?)) async throws {
    if !work.spare.isEmpty {
      let stream = MeasuredBody(try await open())
      while try await stream.next() != nil {}
      if let failure = stream.failure { return work.problem(index, failure) }
      work.states[index].fingerprint = stream.fingerprint
      if let uid = work.claim(stream.fingerprint) {
        work.report.bytes += Int64(stream.octets)
        return found(index, uid, stream.octets)
      }
    }
    while true {
      let stream = MeasuredBody(try await open())
      let message = newMessage(index, uid: keepsUIDs ? work.messages[index].uid : nil) { try await stream.next() }
      do {
        let assigned = try await work.destination.append([message], to: work.mailbox.name)
        work.states[index].fingerprint = stream.fingerprint
        work.report.bytes += Int64(stream.octets)
        return stored([index], assigned, octets: stream.octets)
      } catch {
        // The source's fault ends this message, not the work.
        if let failure = stream.failure { return work.problem(index, failure) }
        guard try adapt(index, to: error) else { return }
      }
    }
  }

  // MARK: Handing over

  private func flush() async throws {
    var batch = items
    items = []
    octets = 0
    while !batch.isEmpty {
      try Task.checkCancellation()
      do {
        let messages = batch.map { item in
          newMessage(item.index, uid: keepsUIDs ? work.messages[item.index].uid : nil, bytes: item.bytes)
        }
        let assigned = try await work.destination.append(messages, to: work.mailbox.name)
        return stored(batch.map(\.index), assigned, octets: batch.reduce(0) { $0 + $1.bytes.readableBytes })
      } catch StoreError.importRefused(.uidNotAbove(_, let next)) where keepsUIDs {
        // Mail has come in meanwhile: what is below its UID comes later, under new ones.
        let before = batch.count
        work.nextUID = max(work.nextUID, next)
        batch.removeAll { (work.messages[$0.index].uid ?? 0) < next }
        guard batch.count < before else { throw StoreError.importRefused(.uidNotAbove(next - 1, uidNext: next)) }
      } catch StoreError.importRefused(.uidlInUse(let uidl)) {
        dropUIDL(uidl, in: batch)
      } catch StoreError.importRefused(.malformedUIDL(let uidl)) {
        dropUIDL(uidl, in: batch)
      } catch StoreError.messageTooLarge(let limit) {
        batch = try await onlyGood(batch, StoreError.messageTooLarge(limit: limit))
      } catch StoreError.tooManyKeywords(let limit) {
        batch = try await onlyGood(batch, StoreError.tooManyKeywords(limit: limit))
      }
    }
  }

  /// One of the batch cannot go in as it is. A single one is changed or given up; of many each goes by itself.
  private func onlyGood(_ batch: [Item], _ error: StoreError) async throws -> [Item] {
    guard batch.count == 1, let item = batch.first else {
      for item in batch {
        items = [item]
        try await flush()
      }
      return []
    }
    return try adapt(item.index, to: error) ? batch : []
  }

  /// Changes what a message asks for so that the store can take it. False: it cannot, and the report says so.
  private func adapt(_ index: Int, to error: any Error) throws -> Bool {
    switch error as? StoreError {
    case .importRefused(.uidNotAbove(_, let next)) where keepsUIDs:
      work.nextUID = max(work.nextUID, next)
      return false
    case .importRefused(.uidlInUse), .importRefused(.malformedUIDL):
      guard !work.states[index].dropsUIDL else { throw error }
      work.states[index].dropsUIDL = true
      return true
    case .tooManyKeywords(let limit) where !work.states[index].dropsKeywords:
      work.states[index].dropsKeywords = true
      work.report.note("\(work.label(index)): without its keywords, since a mailbox has at most \(limit)")
      return true
    case .messageTooLarge:
      work.problem(index, ProblemText.of(error))
      return false
    default: throw error
    }
  }

  private func dropUIDL(_ uidl: String, in batch: [Item]) {
    for item in batch where work.messages[item.index].uidl == uidl { work.states[item.index].dropsUIDL = true }
  }

  private func newMessage(_ index: Int, uid: UID?, bytes: ByteBuffer) -> NewStoreMessage {
    var rest: ByteBuffer? = bytes.readableBytes > 0 ? bytes : nil
    return newMessage(index, uid: uid) {
      defer { rest = nil }
      return rest
    }
  }

  private func newMessage(
    _ index: Int, uid: UID?, _ body: @escaping () async throws -> ByteBuffer?
  ) -> NewStoreMessage {
    let message = work.messages[index]
    let state = work.states[index]
    return NewStoreMessage(
      flags: message.flags, keywords: state.dropsKeywords ? [] : message.keywords, date: message.date, uid: uid,
      uidl: work.options.keepsUIDLs && !state.dropsUIDL ? message.uidl : nil, body: body)
  }

  private func stored(_ indexes: [Int], _ assigned: AssignedUIDs, octets: Int) {
    for (index, uid) in zip(indexes, assigned.assigned) { work.states[index].uid = uid }
    if let last = assigned.assigned.last { work.nextUID = max(work.nextUID, last == .max ? last : last + 1) }
    work.report.transferred += indexes.count
    work.progress.advance(messages: indexes.count, bytes: Int64(octets))
  }
}

/// Pieces of a large message as the store will have them, measured as they go by.
final class MeasuredBody {
  private let source: () async throws -> ByteBuffer?
  private var normalizer = LineEndNormalizer()
  private var stream = FingerprintStream()
  private var isOver = false
  private(set) var octets = 0
  /// Why the source gave no more.
  private(set) var failure: String?

  init(_ source: @escaping () async throws -> ByteBuffer?) { self.source = source }

  var fingerprint: Fingerprint { stream.finish() }

  /// Throws what the source throws.
  func next() async throws -> ByteBuffer? {
    guard !isOver else { return nil }
    var piece: ByteBuffer
    do {
      if let raw = try await source() {
        piece = normalizer.normalize(raw)
      } else {
        isOver = true
        piece = ByteBuffer()
        normalizer.finish(into: &piece)
        if piece.readableBytes == 0 { return nil }
      }
    } catch {
      if error is CancellationError { throw error }
      failure = ProblemText.of(error)
      throw error
    }
    octets += piece.readableBytes
    stream.update(piece)
    // A piece of one CR whose LF is still to come: nothing to hand over would be taken for the end.
    return piece.readableBytes > 0 ? piece : try await next()
  }
}
