import Synchronization

extension MailboxSnapshot {
  /// Some messages of a mailbox, in UID order. What they are never changes; how they are held does: 24 octets each while
  /// they are in use, three or four once `rest` was called. The next look at them brings them back.
  public final class Chunk: Sendable {
    private enum Form {
      case plain([MessageEntry])
      case packed(PackedEntries)
    }

    public let count: Int
    private let form: Mutex<Form>

    public init(_ entries: [MessageEntry]) {
      count = entries.count
      form = Mutex(.plain(entries))
    }

    public var entries: [MessageEntry] {
      form.withLock { form in
        switch form {
        case .plain(let entries): return entries
        case .packed(let packed):
          let entries = packed.unpacked()
          form = .plain(entries)
          return entries
        }
      }
    }

    /// Gives up memory until the next look.
    public func rest() {
      form.withLock { form in
        guard case .plain(let entries) = form else { return }
        form = .packed(PackedEntries(entries))
      }
    }

    /// For tests.
    public var isResting: Bool {
      form.withLock { form in
        if case .packed = form { true } else { false }
      }
    }
  }

  /// Mailboxes with more messages than this stay as they are: packing and unpacking happen on an event loop.
  public static let restingCapacity = 8 * chunkCapacity

  /// Nobody is going to look for a while. Snapshots that share chunks with this one rest along.
  public func rest() {
    guard count <= Self.restingCapacity else { return }
    for chunk in chunks { chunk.rest() }
  }
}

/// Entries in few octets: each UID and MODSEQ as the difference to the one before, in groups of seven bits.
struct PackedEntries: Sendable {
  private let octets: [UInt8]
  private let count: Int
  private let hasKeywords: Bool

  init(_ entries: [MessageEntry]) {
    count = entries.count
    hasKeywords = entries.contains { $0.keywords != 0 }
    var writer = Writer()
    writer.octets.reserveCapacity(4 * entries.count + 16)
    var last = MessageEntry(uid: 0, flags: [], keywords: 0, modSeq: 0)
    for entry in entries {
      writer.write(UInt64(entry.uid &- last.uid))
      writer.octets.append(entry.flags.rawValue)
      // The sign in the lowest bit.
      let step = Int64(bitPattern: entry.modSeq &- last.modSeq)
      writer.write(UInt64(bitPattern: (step << 1) ^ (step >> 63)))
      if hasKeywords { writer.write(entry.keywords) }
      last = entry
    }
    // Without the room to spare.
    octets = Array(writer.octets[...])
  }

  func unpacked() -> [MessageEntry] {
    var reader = Reader(octets: octets)
    var last = MessageEntry(uid: 0, flags: [], keywords: 0, modSeq: 0)
    var entries: [MessageEntry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      let uid = last.uid &+ UID(truncatingIfNeeded: reader.next())
      let flags = SystemFlags(rawValue: reader.octet())
      let step = reader.next()
      let modSeq = last.modSeq &+ ((step >> 1) ^ (0 &- (step & 1)))
      last = MessageEntry(uid: uid, flags: flags, keywords: hasKeywords ? reader.next() : 0, modSeq: modSeq)
      entries.append(last)
    }
    return entries
  }

  private struct Writer {
    var octets: [UInt8] = []

    mutating func write(_ value: UInt64) {
      var rest = value
      while rest >= 0x80 {
        octets.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      octets.append(UInt8(rest))
    }
  }

  private struct Reader {
    let octets: [UInt8]
    var position = 0

    mutating func octet() -> UInt8 {
      defer { position += 1 }
      return octets[position]
    }

    mutating func next() -> UInt64 {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while true {
        let octet = octet()
        value |= UInt64(octet & 0x7F) << shift
        if octet < 0x80 { return value }
        shift += 7
      }
    }
  }
}
