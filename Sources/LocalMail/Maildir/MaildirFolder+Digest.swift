/// What a folder's listing looks like, in 16 octets: the same names in `new` and `cur` and the same keywords give the same
/// digest, in whatever order they are listed. Names hold base and flags, so any arrival, removal or change of flags shows.
///
/// A sum over the files, so that what is known to have come can be added without listing again.
public struct FolderDigest: Sendable, Hashable {
  public private(set) var files: Int
  private var first: UInt64
  private var second: UInt64

  init() { (files, first, second) = (0, 0, 0) }

  /// A message file of the folder.
  public mutating func add(_ entry: MaildirEntry) { add(entry.fileName, isNew: entry.isNew) }

  mutating func add(_ fileName: String, isNew: Bool) {
    files += 1
    mix(fileName, salt: isNew ? 1 : 2)
  }

  mutating func add(_ names: KeywordNames) {
    for (letter, name) in names.all { mix("\(letter) \(name)", salt: 3) }
  }

  /// FNV-1a and a second, unlike function over the same octets; both finished so that sums do not cancel out.
  private mutating func mix(_ text: String, salt: UInt64) {
    var one: UInt64 = 0xCBF2_9CE4_8422_2325 ^ salt
    var other: UInt64 = 0x9E37_79B9_7F4A_7C15 &* salt
    for byte in text.utf8 {
      one = (one ^ UInt64(byte)) &* 0x100_0000_01B3
      other = (other &+ UInt64(byte) &+ 1) &* 0xD6E8_FEB8_6659_FD93
      other ^= other >> 32
    }
    first &+= Self.finished(one)
    second &+= Self.finished(other)
  }

  private static func finished(_ value: UInt64) -> UInt64 {
    var value = value
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }

  /// For a journal.
  public var text: String { "\(files) \(String(first, radix: 16)) \(String(second, radix: 16))" }
}

extension MaildirFolder {
  /// The digest of one listing, without a look at the files. While others rename files it may be that of no moment: to be
  /// compared with one that is known, not to be kept.
  public func digest() throws(LocalMailError) -> FolderDigest {
    var digest = FolderDigest()
    digest.add(try KeywordNames.read(directory, disk))
    for isNew in [true, false] {
      for name in try disk.list(subdirectory(isNew: isNew)) where !name.utf8.starts(with: [.dot]) {
        digest.add(name, isNew: isNew)
      }
    }
    return digest
  }

  /// The digest that the folder has when it holds exactly these messages.
  public func digest(of entries: some Sequence<MaildirEntry>) throws(LocalMailError) -> FolderDigest {
    var digest = FolderDigest()
    digest.add(try KeywordNames.read(directory, disk))
    for entry in entries { digest.add(entry) }
    return digest
  }
}
