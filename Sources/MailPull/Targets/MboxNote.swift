import LocalMail
import NIOCore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What is written down, under the file's lock, before a batch is appended: enough to know its torn rest from a message that
/// another program appended.
struct MboxNote: Equatable {
  /// The batch's, also in the journal.
  var token: String
  /// Octets of the file before.
  var length: Int64
  /// Of each message, its first octets with LF line ends.
  var beginnings: [[UInt8]]

  static func newToken() -> String { String(UInt64.random(in: .min ... .max), radix: 36) }

  static func beginning(_ bytes: ByteBuffer) -> [UInt8] {
    var result: [UInt8] = []
    var position = bytes.readerIndex
    while result.count < PullLimits.mboxBeginning, let byte = bytes.getInteger(at: position, as: UInt8.self) {
      position += 1
      if byte == 0x0D, bytes.getInteger(at: position, as: UInt8.self) == 0x0A { continue }
      result.append(byte)
    }
    return result
  }

  /// Nil when there is none, or when its writing was cut short: then nothing was appended.
  static func read(_ path: String) -> MboxNote? {
    guard let bytes = try? PullFiles.read(path, limit: PullLimits.mboxNote) else { return nil }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count >= 4, lines[lines.count - 2] == "end", lines.last == "", let length = Int64(lines[1]) else {
      return nil
    }
    var note = MboxNote(token: String(lines[0]), length: length, beginnings: [])
    for line in lines[2..<(lines.count - 2)] {
      guard let beginning = hexadecimal(line) else { return nil }
      note.beginnings.append(beginning)
    }
    return note
  }

  func write(_ path: String) throws(LocalMailError) {
    let digits = Array("0123456789abcdef".utf8)
    var text = Array("\(token)\n\(length)\n".utf8)
    for beginning in beginnings {
      for byte in beginning {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
      }
      text.append(0x0A)
    }
    text += Array("end\n".utf8)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw PullFiles.failure("open", path) }
    defer { close(descriptor) }
    try ByteBuffer(bytes: text).withUnsafeReadableBytes { bytes throws(LocalMailError) in
      try PullFiles.writeAll(descriptor, bytes, path: path)
    }
    try PullFiles.sync(descriptor, path: path)
    try PullFiles.syncFolder(of: path)
  }

  private static func hexadecimal(_ text: Substring) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 2 == 0 else { return nil }
    var result: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index...(index + 1)], as: UTF8.self), radix: 16) else {
        return nil
      }
      result.append(byte)
    }
    return result
  }
}
