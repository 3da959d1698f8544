/// How message files are written.
public struct LandingSettings: Sendable {
  /// CRLF becomes LF, as Maildir readers expect; false keeps the bytes of the wire.
  public var convertsToLF = true
  /// After the sync the file's pages are dropped and the bytes are read from the disk again.
  public var readsBackFromDisk = true
  /// Stands in the names of files in `tmp`, so that after a crash the owner of a journal knows its own (see
  /// `MaildirFolder.removeTemporary(ofOwner:keeping:)`). Letters, digits, `-` and `_`; all else becomes `_`.
  public var owner = ""
  public init() {}

  static func temporaryPrefix(_ owner: String) -> String {
    let name = owner.utf8.map { byte in
      let isPlain = byte.isDigit || byte >= 0x41 && byte <= 0x5A || byte >= 0x61 && byte <= 0x7A || byte == 0x2D
      return isPlain ? byte : UInt8(ascii: "_")
    }
    return "merpati-\(String(decoding: name, as: UTF8.self))."
  }
}

/// A message written into `tmp`, not durable yet.
public struct StagedFile: Sendable, Hashable {
  public var temporaryPath: String
  public var fingerprint: Fingerprint
  /// SHA-256 of the file's own bytes.
  public var fileHash: [UInt8]
  /// Octets of the file.
  public var size: Int64
  /// Octets as they came.
  public var wireSize: Int64
  public var flags: MaildirFlags
  public var date: Int64?
  /// Chosen at staging: what the base of the file name will be.
  public var base: String
  public var isNew: Bool
  public init(
    temporaryPath: String, fingerprint: Fingerprint, fileHash: [UInt8], size: Int64, wireSize: Int64,
    flags: MaildirFlags, date: Int64?, base: String, isNew: Bool
  ) {
    self.temporaryPath = temporaryPath
    self.fingerprint = fingerprint
    self.fileHash = fileHash
    self.size = size
    self.wireSize = wireSize
    self.flags = flags
    self.date = date
    self.base = base
    self.isNew = isNew
  }
}

/// A message on its way into `tmp`, as a journal keeps it: `MaildirLanding.resume` goes on from there.
public struct Partial: Sendable, Hashable, Codable {
  public var temporaryPath: String
  /// What the base of the file name begins with.
  public var unique: String
  /// Octets of the file that are durable.
  public var size: Int64
  /// Octets of the message that are durable: where to go on fetching.
  public var wireSize: Int64
  /// SHA-256 of those octets of the file.
  public var hash: [UInt8]
  var holdsCR: Bool
  var isDoubled: Bool
}
