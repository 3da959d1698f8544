import Foundation
import Logging
import SASL

/// What the SCRAM salts of names without an account are derived from. Kept in the data folder: salts that change with
/// every start would tell such names from those of accounts.
enum DecoySecret {
  static let fileName = "decoy-salts.key"

  /// Nil: the disk does not give or take it; salts then change with the next start. No reason not to serve.
  static func load(from directory: String, _ logger: Logger) -> [UInt8]? {
    let path = "\(directory)/\(fileName)"
    if let bytes = read(path) { return bytes }
    var generator = SystemRandomNumberGenerator()
    let fresh = (0..<SASLLimits.decoySecret).map { _ in UInt8.random(in: 0...255, using: &generator) }
    guard write(fresh, to: path) else {
      logger.warning(
        "secret for decoy salts not kept; names without an account can be told by two starts of the server",
        metadata: ["file": "\(path)", "error": "\(String(cString: strerror(errno)))"])
      return nil
    }
    return fresh
  }

  /// Nil when it is not there, or not what was written.
  private static func read(_ path: String) -> [UInt8]? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
    guard file >= 0 else { return nil }
    defer { close(file) }
    var bytes = [UInt8](repeating: 0, count: SASLLimits.decoySecret + 1)
    guard Foundation.read(file, &bytes, bytes.count) == SASLLimits.decoySecret else { return nil }
    return Array(bytes.prefix(SASLLimits.decoySecret))
  }

  private static func write(_ bytes: [UInt8], to path: String) -> Bool {
    let draft = path + ".new"
    unlink(draft)
    let file = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard file >= 0 else { return false }
    let isWritten = Foundation.write(file, bytes, bytes.count) == bytes.count && fsync(file) == 0
    close(file)
    return isWritten && rename(draft, path) == 0
  }
}
