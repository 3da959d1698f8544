import Foundation
public import MailStore

/// A folder of backups:
///
///     DIR/2026-11-25T021500Z/        a finished generation, named after its moment (UTC)
///       manifest.json, SHA256SUMS
///       mail.sqlite, directory.sqlite
///       packs/000000000001.pack      and `…pack+OCTETS` for what was added to it later
///     DIR/.unfinished-…              was cut; the next backup removes it
///     DIR/.removing-…                an old generation on its way out
///     DIR/.lock
///
/// A generation gets its name when everything in it is on the disk, so what has such a name is complete.
public struct BackupFolder: Sendable {
  public let path: String
  static let unfinished = ".unfinished-"
  static let removing = ".removing-"

  public init(_ path: String) { self.path = path }

  /// Oldest first.
  public func generations() throws(StoreError) -> [String] {
    guard FileSizes.exists(path) else {
      throw .database(message: "\(path): no such folder; name the one that 'merpati backup' was given")
    }
    return try BackupFiles.list(path).filter(Self.isName)
  }

  public func folder(_ generation: String) -> String { "\(path)/\(generation)" }

  /// The one asked for, or the latest. It must be complete.
  public func manifest(_ generation: String?) throws(StoreError) -> (generation: String, manifest: BackupManifest) {
    let all = try generations()
    guard let name = generation ?? all.last else {
      throw .database(message: "\(path): no finished backup there")
    }
    guard all.contains(name) else {
      throw .database(message: "\(path): no backup \(name); there are \(all.joined(separator: ", "))")
    }
    return (name, try BackupManifest.read(folder(name)))
  }

  /// `2026-11-25T021500Z`
  static func isName(_ name: String) -> Bool {
    let bytes = Array(name.utf8)
    guard bytes.count == 18 else { return false }
    for (index, byte) in bytes.enumerated() {
      switch index {
      case 4, 7: if byte != UInt8(ascii: "-") { return false }
      case 10: if byte != UInt8(ascii: "T") { return false }
      case 17: if byte != UInt8(ascii: "Z") { return false }
      default: if !(0x30...0x39).contains(byte) { return false }
      }
    }
    return true
  }

  static func name(_ seconds: Int64) -> String {
    var time = time_t(seconds)
    var parts = tm()
    gmtime_r(&time, &parts)
    return String(
      format: "%04d-%02d-%02dT%02d%02d%02dZ", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
      parts.tm_min, parts.tm_sec)
  }

  /// Later than every one there is, whatever the clock says.
  static func name(_ seconds: Int64, after last: String?) -> String {
    var seconds = seconds
    guard let last else { return name(seconds) }
    if name(seconds) <= last {
      var parts = tm()
      let numbers = last.split(whereSeparator: { !$0.isNumber }).map(String.init)
      parts.tm_year = (Int32(numbers[0]) ?? 1970) - 1900
      parts.tm_mon = (Int32(numbers[1]) ?? 1) - 1
      parts.tm_mday = Int32(numbers[2]) ?? 1
      parts.tm_hour = Int32(numbers[3].prefix(2)) ?? 0
      parts.tm_min = Int32(numbers[3].dropFirst(2).prefix(2)) ?? 0
      parts.tm_sec = Int32(numbers[3].suffix(2)) ?? 0
      seconds = Int64(timegm(&parts)) + 1
    }
    return name(seconds)
  }
}
