import Crypto

/// Names of journal files: short, the same for the same account and target, legal on every file system.
enum JournalName {
  static func of(_ parts: String...) -> String {
    var hash = SHA256()
    for part in parts {
      hash.update(data: Array(part.utf8))
      hash.update(data: [0])
    }
    let digits = Array("0123456789abcdef".utf8)
    var name: [UInt8] = []
    for byte in hash.finalize().prefix(16) {
      name.append(digits[Int(byte >> 4)])
      name.append(digits[Int(byte & 15)])
    }
    return String(decoding: name, as: UTF8.self)
  }
}
