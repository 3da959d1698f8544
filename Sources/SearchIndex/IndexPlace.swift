#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Where an index is, and what it must be made of to count.
public struct IndexPlace: Sendable {
  public let path: String
  /// Of another one nothing is believed.
  public let identity: String
  /// In every checksum.
  let seed: UInt64

  /// Rises when the form of the file changes, or what is taken from a message.
  static let format = 2

  /// - Parameter store: whose messages they are, and by which parser they were read.
  public init(path: String, store: String) {
    self.path = path
    // Tables of character sets may change with the C library; those of letters are ours (see `UnicodeCasemap`).
    #if canImport(Glibc)
      var name = [CChar](repeating: 0, count: 64)
      confstr(Int32(_CS_GNU_LIBC_VERSION), &name, name.count - 1)
      let library = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    #else
      let library = ""
    #endif
    identity = "\(Self.format)/\(store)/\(library)"
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in identity.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    seed = hash
  }

  func isOwn(_ db: IndexConnection) throws(IndexError) -> Bool {
    let row = try db("SELECT value FROM meta WHERE name = 'identity'")
    defer { row.reset() }
    return try row.step() && row.text(0) == identity
  }

  /// Throws the index away. Connections that are still open keep what they have.
  public func remove() { Self.remove(path) }

  public static func remove(_ path: String) {
    for suffix in ["", "-wal", "-shm", "-journal"] { unlink(path + suffix) }
  }

  /// Octets on the disk.
  public var octets: Int64 {
    ["", "-wal", "-shm"].reduce(0) { sum, suffix in
      var info = stat()
      return sum + (lstat(path + suffix, &info) == 0 ? Int64(info.st_blocks) * 512 : 0)
    }
  }
}
