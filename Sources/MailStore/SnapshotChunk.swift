import Synchronization

extension MailboxSnapshot {
  /// Some messages of a mailbox, in UID order. What they are never changes; how they are held does: 24 octets each while
  /// they are in use, one to four once `rest` was called. The next look at them brings them back.
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
    restWhole()
  }

  /// The same however many messages there are: not for an event loop, since a million take some ten milliseconds.
  public func restWhole() {
    for chunk in chunks { chunk.rest() }
  }
}

/// Entries in few octets: each as what is different from the one before.
///
///     entry = %x00-7E                                 UID one higher, the same flags, MODSEQ higher by so much
///           / (%x7F / %xFF) uid-step flags modseq-step [keywords]
///
/// Numbers are in groups of seven bits, the lowest first; MODSEQ's step has its sign in the lowest bit. Only after FF are
/// there keywords; after 7F they are those of the one before.
struct PackedEntries: Sendable {
  private static let written: UInt8 = 0x7F
  private static let writtenWithKeywords: UInt8 = 0xFF
  private let octets: [UInt8]
  private let count: Int

  init(_ entries: [MessageEntry]) {
    count = entries.count
    var writer = Writer()
    writer.octets.reserveCapacity(2 * entries.count + 16)
    var last = MessageEntry(uid: 0, flags: [], keywords: 0, modSeq: 0)
    for entry in entries {
      let step = entry.modSeq &- last.modSeq
      let hasSameKeywords = entry.keywords == last.keywords
      if entry.uid == last.uid &+ 1, entry.flags == last.flags, hasSameKeywords, step < UInt64(Self.written) {
        writer.octets.append(UInt8(step))
      } else {
        writer.octets.append(hasSameKeywords ? Self.written : Self.writtenWithKeywords)
        writer.write(UInt64(entry.uid &- last.uid))
        writer.octets.append(entry.flags.rawValue)
        let signed = Int64(bitPattern: step)
        writer.write(UInt64(bitPattern: (signed << 1) ^ (signed >> 63)))
        if !hasSameKeywords { writer.write(entry.keywords) }
      }
      last = entry
    }
    // Without the room to spare; an array made of all of a slice would be the same array.
    let used = writer.octets
    octets = Array(unsafeUninitializedCapacity: used.count) { buffer, count in
      count = buffer.initialize(fromContentsOf: used)
    }
  }

  /// Octets that it takes.
  var size: Int { octets.capacity }

  func unpacked() -> [MessageEntry] {
    var reader = Reader(octets: octets)
    var last = MessageEntry(uid: 0, flags: [], keywords: 0, modSeq: 0)
    var entries: [MessageEntry] = []
    entries.reserveCapacity(count)
    for _ in 0..<count {
      let first = reader.octet()
      if first < Self.written {
        last.uid &+= 1
        last.modSeq &+= ModSeq(first)
      } else {
        last.uid &+= UID(truncatingIfNeeded: reader.next())
        last.flags = SystemFlags(rawValue: reader.octet())
        let step = reader.next()
        last.modSeq &+= (step >> 1) ^ (0 &- (step & 1))
        if first == Self.writtenWithKeywords { last.keywords = reader.next() }
      }
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
