import Bytes

/// What the letters `a` to `z` of a folder stand for: `dovecot-keywords`, a line `index name` for each, 0 for `a`.
struct KeywordNames: Sendable, Hashable {
  static let fileName = "dovecot-keywords"
  /// Dovecot guards the file by the lock of its list of UIDs.
  static let lockName = "dovecot-uidlist.lock"

  private var names = [String?](repeating: nil, count: LocalMailLimits.keywords)

  func name(of letter: UInt8) -> String? {
    guard letter >= UInt8(ascii: "a"), letter <= UInt8(ascii: "z") else { return nil }
    return names[Int(letter - UInt8(ascii: "a"))]
  }

  /// Those that have a name.
  var all: [(letter: Int, name: String)] { names.enumerated().compactMap { index, name in name.map { (index, $0) } } }

  func letter(of name: String) -> UInt8? {
    names.firstIndex { $0?.equalsIgnoringASCIICase(name) == true }.map { UInt8(ascii: "a") + UInt8($0) }
  }

  /// Lines that make no sense are left out: their letters stay unknown.
  static func read(_ directory: String, _ disk: any LocalDisk) throws(LocalMailError) -> KeywordNames {
    var result = KeywordNames()
    _ = try disk.forEachLine(of: directory + "/" + fileName) { line in
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let index = Int(parts[0]), result.names.indices.contains(index) else { return }
      result.names[index] = String(parts[1])
    }
    return result
  }

  /// Letters for all of `keywords`, new ones written to the file first. Those that no letter is left for, or that cannot
  /// stand in the file, come back as `unkept`.
  static func letters(
    for keywords: [String], in directory: String, _ disk: any LocalDisk
  ) throws(LocalMailError) -> (letters: [UInt8], unkept: [String], names: KeywordNames) {
    var table = try read(directory, disk)
    if keywords.contains(where: { table.letter(of: $0) == nil && isWritable($0) }), table.hasRoom {
      let lock = try DotLock.acquire(directory + "/" + lockName, disk: disk)
      defer { lock.release() }
      table = try read(directory, disk)
      let before = table
      for keyword in keywords { table.add(keyword) }
      if table != before { try disk.replace(directory + "/" + fileName, with: table.encoded()) }
    }
    var letters: [UInt8] = []
    var unkept: [String] = []
    for keyword in keywords {
      if let letter = table.letter(of: keyword) { letters.append(letter) } else { unkept.append(keyword) }
    }
    return (letters, unkept, table)
  }

  private static func isWritable(_ keyword: String) -> Bool {
    !keyword.isEmpty && keyword.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
  }

  /// Letters behind the last one in use. Gaps are not filled: a file may still wear a letter whose line was lost.
  private var next: Int { (names.lastIndex { $0 != nil } ?? -1) + 1 }
  private var hasRoom: Bool { next < names.count }

  private mutating func add(_ keyword: String) {
    guard hasRoom, Self.isWritable(keyword), letter(of: keyword) == nil else { return }
    names[next] = keyword
  }

  private func encoded() -> [UInt8] {
    var text = ""
    for (index, name) in names.enumerated() {
      if let name { text += "\(index) \(name)\n" }
    }
    return Array(text.utf8)
  }
}
