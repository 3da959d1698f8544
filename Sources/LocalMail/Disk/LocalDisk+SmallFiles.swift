import Bytes

/// Small files that stand beside mail.
extension LocalDisk {
  /// Hands out the lines of a text file, without their line feeds, in bounded memory. False: there is no such file.
  func forEachLine(
    of path: String, _ body: (String) throws(LocalMailError) -> Void
  ) throws(LocalMailError) -> Bool {
    let file: any LocalFile
    do throws(LocalMailError) { file = try open(path, .read) } catch {
      if error.isMissing { return false }
      throw error
    }
    defer { file.close() }
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: LocalMailLimits.piece, alignment: 16)
    defer { buffer.deallocate() }
    var line: [UInt8] = []
    var offset: Int64 = 0
    while true {
      let count = try file.pread(into: buffer, at: offset)
      offset += Int64(count)
      let piece = UnsafeRawBufferPointer(rebasing: buffer[..<count])
      var start = 0
      while let end = piece.firstIndex(of: .lf, from: start) {
        line.append(contentsOf: piece[start..<end])
        try check(line, path)
        try body(String(decoding: line, as: UTF8.self))
        line.removeAll(keepingCapacity: true)
        start = end + 1
      }
      line.append(contentsOf: piece[start...])
      try check(line, path)
      guard count < buffer.count else { continue }
      if !line.isEmpty { try body(String(decoding: line, as: UTF8.self)) }
      return true
    }
  }

  private func check(_ line: [UInt8], _ path: String) throws(LocalMailError) {
    guard line.count <= LocalMailLimits.listLine else {
      throw LocalMailError(
        .malformed("holds a line longer than \(LocalMailLimits.listLine) octets; this is no list"), path: path)
    }
  }

  /// Puts a whole new file in the place of another: readers see the old one or the new one, also after a power cut.
  /// `path` lies in a Maildir: what an interruption leaves is in its `tmp`, where everybody cleans.
  func replace(_ path: String, with bytes: [UInt8]) throws(LocalMailError) {
    let prefix = LandingSettings.temporaryPrefix("list")
    let temporary = "\(path.parentDirectory)/tmp/\(prefix)\(UniqueName.next())"
    do throws(LocalMailError) {
      let file = try open(temporary, .createNew)
      defer { file.close() }
      try file.pwrite(bytes, at: 0)
      try file.sync(dataOnly: false)
      try rename(temporary, to: path, replacing: true)
    } catch {
      try? unlink(temporary)
      throw error
    }
    try syncDirectory(path.parentDirectory)
  }
}

extension LocalFile {
  func pwrite(_ bytes: [UInt8], at offset: Int64) throws(LocalMailError) {
    try bytes.span.bytes.withUnsafeBytes { bytes throws(LocalMailError) in try pwrite(bytes, at: offset) }
  }
}

extension String {
  /// What stands before the last `/`.
  var parentDirectory: String {
    guard let slash = utf8.lastIndex(of: .slash) else { return "." }
    return slash == utf8.startIndex ? "/" : String(self[..<slash])
  }

  var lastPathComponent: Substring {
    guard let slash = utf8.lastIndex(of: .slash) else { return self[...] }
    return self[utf8.index(after: slash)...]
  }
}
