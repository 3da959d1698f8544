/// A pack that belongs to no `PackStore`: in a backup, or beside a running store. Reading only.
public struct PackFile: Sendable {
  public let number: Int64
  private let handle: any FileHandle

  public init(_ number: Int64, _ handle: any FileHandle) {
    self.number = number
    self.handle = handle
  }

  /// The name of a pack in its folder.
  public static func name(_ number: Int64) -> String {
    let digits = String(number)
    return "\(String(repeating: "0", count: max(0, 12 - digits.count)))\(digits).pack"
  }

  /// See `PackStore.read`.
  @discardableResult
  public func read(_ location: BlobLocation, scratch: inout BlobScratch) throws(BlobError) -> Int {
    try FrameReader(handle: handle).message(at: location, &scratch)
    return scratch.count
  }

  /// See `PackStore.reader`.
  public func reader(_ location: BlobLocation) throws(BlobError) -> BlobReader { try BlobReader(handle, location) }

  /// See `PackStore.scan`. `range` begins and ends where frames do.
  public func scan(
    _ range: Range<Int64>, verify: Bool, _ body: (FrameInfo) throws(BlobError) -> Void
  ) throws(BlobError) -> ScanResult {
    try PackScanner(
      reader: FrameReader(handle: handle), pack: number, start: range.lowerBound, end: range.upperBound
    ).scan(verify: verify, body)
  }
}
