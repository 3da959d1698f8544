/// A pack that belongs to no `PackStore`: in a backup, or beside a running store. Reading only.
public struct PackFile: Sendable {
  public let number: Int64
  private let handle: any FileHandle
  private let dictionaries: DictionaryShelf

  public init(_ number: Int64, _ handle: any FileHandle, _ dictionaries: DictionaryShelf = DictionaryShelf()) {
    self.number = number
    self.handle = handle
    self.dictionaries = dictionaries
  }

  /// The name of a pack in its folder.
  public static func name(_ number: Int64) -> String {
    let digits = String(number)
    return "\(String(repeating: "0", count: max(0, 12 - digits.count)))\(digits).pack"
  }

  /// See `PackStore.read`.
  @discardableResult
  public func read(_ location: BlobLocation, scratch: inout BlobScratch) throws(BlobError) -> Int {
    try FrameReader(handle: handle, dictionaries: dictionaries).message(at: location, &scratch)
    return scratch.count
  }

  /// No copy of the dictionary that it begins with is damaged, if there is one.
  public var hasWholeDictionary: Bool {
    guard let end = try? handle.size() else { return false }
    return !PackHead(FrameReader(handle: handle, dictionaries: dictionaries), pack: number, end: end).isDamaged
  }

  /// See `PackStore.reader`.
  public func reader(_ location: BlobLocation) throws(BlobError) -> BlobReader {
    try BlobReader(handle, dictionaries, location)
  }

  /// See `PackStore.scan`. `range` begins and ends where frames do.
  public func scan(
    _ range: Range<Int64>, verify: Bool, _ body: (FrameInfo) throws(BlobError) -> Void
  ) throws(BlobError) -> ScanResult {
    try PackScanner(
      reader: FrameReader(handle: handle, dictionaries: dictionaries), pack: number, start: range.lowerBound,
      end: range.upperBound
    ).scan(verify: verify, body)
  }
}
