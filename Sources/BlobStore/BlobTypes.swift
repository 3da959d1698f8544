public import NIOCore

/// Where a blob lies: everything that is needed to read it with one call. Kept in the rows.
public struct BlobLocation: Sendable, Hashable {
  /// Number of the pack; numbers are never used twice.
  public var pack: Int64
  /// Offset of the frame in the pack, in bytes.
  public var offset: Int64
  /// Bytes of the frame on disk, header included.
  public var frameLength: Int64
  /// Bytes of the message.
  public var rawSize: Int64
  public init(pack: Int64, offset: Int64, frameLength: Int64, rawSize: Int64) {
    self.pack = pack
    self.offset = offset
    self.frameLength = frameLength
    self.rawSize = rawSize
  }
}

/// Whose message a frame holds: what must be known to give it back with the database gone. A frame has one for each
/// recipient at delivery; later COPY, MOVE and EXPUNGE are known to the rows only.
public struct FrameOwner: Sendable, Hashable {
  public var account: Int64
  /// UTF-8; cut at 65,535 bytes when written, as is `mailboxName`.
  public var accountName: String
  public var mailbox: Int64
  public var mailboxName: String
  public var uid: UInt32
  public var uidValidity: UInt32
  /// INTERNALDATE, seconds since 1970.
  public var internalSeconds: Int64
  /// Minutes east of UTC.
  public var zoneMinutes: Int16
  /// Header lines that stand before the message for this owner.
  public var trace: ByteBuffer
  public init(
    account: Int64, accountName: String, mailbox: Int64, mailboxName: String, uid: UInt32, uidValidity: UInt32,
    internalSeconds: Int64, zoneMinutes: Int16, trace: ByteBuffer = ByteBuffer()
  ) {
    self.account = account
    self.accountName = accountName
    self.mailbox = mailbox
    self.mailboxName = mailboxName
    self.uid = uid
    self.uidValidity = uidValidity
    self.internalSeconds = internalSeconds
    self.zoneMinutes = zoneMinutes
    self.trace = trace
  }
}

/// How chunks are stored. A chunk that doesn't shrink is stored as it is under either codec.
public enum BlobCodec: UInt8, Sendable, Hashable, CaseIterable {
  case raw = 0
  case zstd = 1
}

/// How packs are written. Reading takes its parameters from the frames.
public struct PackSettings: Sendable, Hashable {
  /// A pack is closed before it would grow beyond this; a single larger frame gets a pack to itself.
  public var maxPackBytes: Int64
  public var codec: BlobCodec
  /// zstd level, 1...19.
  public var level: Int32
  /// Messages up to this many bytes are taken in memory, larger ones in a file in DIR/spool.
  public var spoolThreshold: Int
  /// Descriptors kept open for reading packs; those in use come on top.
  public var openPacks: Int
  /// New packs begin with a dictionary when there is one.
  public var usesDictionaries: Bool
  public init(
    maxPackBytes: Int64 = 64 << 20, codec: BlobCodec = .zstd, level: Int32 = 3, spoolThreshold: Int = 256 << 10,
    openPacks: Int = 256, usesDictionaries: Bool = true
  ) {
    self.usesDictionaries = usesDictionaries
    self.maxPackBytes = maxPackBytes
    self.codec = codec
    self.level = level
    self.spoolThreshold = spoolThreshold
    self.openPacks = openPacks
  }
}

/// A pack on disk.
public struct PackInfo: Sendable, Hashable {
  public var number: Int64
  /// Bytes in the file, dead ones included.
  public var bytes: Int64
  /// Still written to: by `append` or by `copyFrame`. Only others may be compacted or removed.
  public var isActive: Bool
  public init(number: Int64, bytes: Int64, isActive: Bool) {
    self.number = number
    self.bytes = bytes
    self.isActive = isActive
  }
}

/// A frame met by `PackStore.scan`.
public struct FrameInfo: Sendable, Hashable {
  public var location: BlobLocation
  /// Empty also where they were compressed with a dictionary that is lost, and the message was not.
  public var owners: [FrameOwner]
  public var codec: BlobCodec
  /// 0: none.
  public var dictionaryID: UInt32
  public init(location: BlobLocation, owners: [FrameOwner], codec: BlobCodec, dictionaryID: UInt32 = 0) {
    self.location = location
    self.owners = owners
    self.codec = codec
    self.dictionaryID = dictionaryID
  }
}

/// What `PackStore.scan` found.
public struct ScanResult: Sendable, Hashable {
  /// Frames handed to the body, and their bytes on disk.
  public var frames = 0
  public var frameBytes: Int64 = 0
  /// Frames whose header stands but whose data are damaged (looked for only with `verify`), and what is wrong.
  public var damaged: [DamagedFrame] = []
  /// Ranges of the file that are no frame; the search went on at the next magic.
  public var garbage: [Range<Int64>] = []
  /// Whole copies of the pack's dictionary that were met, and whether frames need it: then there must be
  /// `PackHead.copies` of them.
  public var dictionaryCopies = 0
  /// Where copies stand, whole or not.
  public var dictionaries: [Range<Int64>] = []
  public var needsDictionary = false
  /// The garbage that reaches to the end of the file: usually a write that the power cut.
  public var tornTail: Range<Int64>?

  public struct DamagedFrame: Sendable, Hashable {
    public var frame: FrameInfo
    public var what: String
  }

  /// A copy of the dictionary is damaged or missing: one more, and what is compressed with it is lost.
  public var lacksDictionary: Bool { needsDictionary && dictionaryCopies < PackHead.copies }
  /// Nothing but whole frames.
  public var isClean: Bool { damaged.isEmpty && garbage.isEmpty && tornTail == nil && !lacksDictionary }
  public init() {}
}
