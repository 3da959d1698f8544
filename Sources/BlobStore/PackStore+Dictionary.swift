import NIOCore
import Synchronization

/// Counts mail that came without a dictionary, and tells once when there is enough to train one.
final class PlainMail: Sendable {
  private let octets = Atomic<Int64>(0)
  private let wake = Mutex<(threshold: Int64, wake: @Sendable () -> Void)?>(nil)

  func onEnough(_ threshold: Int64, _ body: @escaping @Sendable () -> Void) {
    octets.store(0, ordering: .relaxed)
    wake.withLock { $0 = (threshold, body) }
  }

  func count(_ size: Int64) {
    let sum = octets.wrappingAdd(size, ordering: .relaxed).newValue
    let due = wake.withLock { wake -> (@Sendable () -> Void)? in
      guard let (threshold, body) = wake, sum >= threshold else { return nil }
      wake = nil
      return body
    }
    due?()
  }
}

/// What packs begin with now.
public struct DictionaryInfo: Sendable, Hashable {
  public var id: UInt32
  /// Seconds since 1970.
  public var trained: Int64
  public var octets: Int
}

extension PackStore {
  /// Nil: none.
  public var dictionary: DictionaryInfo? {
    current.withLock { $0 }.map { DictionaryInfo(id: $0.id, trained: $0.made, octets: $0.bytes.readableBytes) }
  }

  /// Dictionaries of use in packs of this size.
  public var wantedDictionary: Int { Self.wantedDictionary(settings) }

  private static func wantedDictionary(_ settings: PackSettings) -> Int {
    guard settings.usesDictionaries, settings.codec == .zstd else { return 0 }
    let octets = Int(min(settings.maxPackBytes / DictionaryLimits.shareOfPack, Int64(DictionaryLimits.octets)))
    return octets >= DictionaryLimits.leastOctets ? octets : 0
  }

  /// Octets of mail that there must be for one.
  public var wantedSamples: Int { Int(min(settings.maxPackBytes / 2, Int64(DictionaryLimits.sampleOctets))) }

  /// Octets of one message that count for that, and are looked at: no few large ones must take all the room.
  public var sampleMessage: Int { min(DictionaryLimits.sampleMessage, wantedSamples / DictionaryLimits.leastSamples) }

  /// Calls `body` once, from any thread, when so many octets of mail have come without a dictionary. It must only schedule
  /// work.
  public func onEnoughMail(_ octets: Int, _ body: @escaping @Sendable () -> Void) {
    plain.onEnough(Int64(octets), body)
  }

  /// Packs that are begun from now on begin with it, and the ones under way end. False: it is none, or is not unlike one that
  /// is there.
  public func adopt(_ trained: TrainedDictionary) -> Bool {
    guard let dictionary = PackDictionary(trained.bytes, made: trained.made), dictionary.id != self.dictionary?.id
    else {
      return false
    }
    return use(dictionary)
  }

  @discardableResult
  func use(_ dictionary: PackDictionary) -> Bool {
    // One of larger packs.
    guard dictionary.bytes.readableBytes <= 2 * wantedDictionary,
      dictionary.tables(level: encoder.dictionaryLevel) != nil
    else { return false }
    dictionaries.add(dictionary)
    // The packs first: what is compressed with it from now on finds one that has it.
    useInWriters(dictionary)
    current.withLock { $0 = dictionary }
    return true
  }

  /// Octets of dictionary at the beginning of a pack: not mail, and not dead space either. 0 for a pack that cannot be read.
  public func headBytes(_ pack: Int64) -> Int64 {
    if let known = table.head(of: pack) { return known }
    guard let reader = try? frameReader(pack), let end = try? table.info(pack).bytes else { return 0 }
    let bytes = PackHead(reader, pack: pack, end: end).length
    table.noteHead(bytes, of: pack)
    return bytes
  }

  /// The dictionary that a pack's mail needs, and how many of the pack's copies are whole. Nil: it needs none, or nobody can say.
  public func headState(_ pack: Int64) -> (id: UInt32, whole: Int)? {
    // Not by the table, as in a search.
    guard let end = try? table.info(pack).bytes, let handle = try? table.fileSystem.open(table.path(pack), .read) else {
      return nil
    }
    defer { handle.close() }
    let head = PackHead(FrameReader(handle: handle, dictionaries: DictionaryShelf()), pack: pack, end: end)
    return head.id == 0 ? nil : (head.id, head.whole)
  }

  /// A pack whose first frame was written without a dictionary, and can be read.
  public func beginsPlain(_ pack: Int64) -> Bool {
    guard table.head(of: pack) ?? 0 == 0, let reader = try? frameReader(pack), let end = try? table.info(pack).bytes
    else {
      return false
    }
    var scratch = BlobScratch()
    let first = try? reader.header(at: 0, end: end, pack: pack, first: 4 << 10, &scratch)
    // Not looked at again; that both copies are whole is for others to see.
    if let first, first.isDictionary { table.setHead(Int64(PackHead.copies) * first.frameLength, of: pack) }
    return first?.dictionaryID == 0
  }

  /// Packs of which a copy of the dictionary was found damaged since the last time, by whoever read them.
  public func takeDamagedHeads() -> Set<Int64> { dictionaries.takeSuspects() }

  /// The dictionary of the pack that was begun last and has one.
  static func lastDictionary(_ table: PackTable, _ shelf: DictionaryShelf, _ settings: PackSettings) -> PackDictionary?
  {
    guard wantedDictionary(settings) > 0 else { return nil }
    for pack in table.packs().suffix(lookedAt).reversed() where pack.bytes > 0 {
      guard let handle = try? table.handle(pack.number) else { continue }
      let head = PackHead(FrameReader(handle: handle, dictionaries: shelf), pack: pack.number, end: pack.bytes)
      table.noteHead(head.length, of: pack.number)
      if let dictionary = head.dictionary, dictionary.bytes.readableBytes <= 2 * wantedDictionary(settings) {
        return dictionary
      }
    }
    return nil
  }

  /// Packs that are opened for that at a start.
  private static let lookedAt = 16

  // MARK: Training

  /// Adds a message to what a dictionary is trained from, with what its frame says of its owners. False: enough is there.
  public func addSample(_ location: BlobLocation, to samples: inout DictionarySamples) throws(BlobError) -> Bool {
    let reader = try frameReader(location.pack)
    let header = try reader.header(at: location, &samples.scratch)
    let owners = try reader.owners(of: header, &samples.scratch) ?? []
    try reader.message(at: location, &samples.scratch)
    return samples.add(owners)
  }
}
