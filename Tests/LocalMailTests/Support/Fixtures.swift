import Foundation
import LocalMail
import NIOCore
import NIOPosix

/// Runs `body` with the path of an empty folder that is removed afterwards.
func withFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
  let url = FileManager.default.temporaryDirectory.resolvingSymlinksInPath()
    .appendingPathComponent("merpati-local-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: url) }
  return try await body(url.path)
}

/// The same with an empty Maildir in it.
func withMaildir<Value>(_ body: (MaildirFolder) async throws -> Value) async throws -> Value {
  try await withFolder { folder in
    try MaildirTree(root: folder + "/Mail").create()
    return try await body(MaildirFolder(directory: folder + "/Mail"))
  }
}

func withThreads<Value>(_ count: Int = 2, _ body: (NIOThreadPool) async throws -> Value) async throws -> Value {
  let threads = NIOThreadPool(numberOfThreads: count)
  threads.start()
  do {
    let value = try await body(threads)
    try await threads.shutdownGracefully()
    return value
  } catch {
    try await threads.shutdownGracefully()
    throw error
  }
}

func write(_ text: String, to path: String) throws {
  try Data(text.utf8).write(to: URL(fileURLWithPath: path))
}

func text(at path: String) throws -> String {
  String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
}

func names(in directory: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}

extension MaildirFlags {
  init(_ letters: String, _ keywords: [String] = []) {
    self.init()
    draft = letters.contains("D")
    flagged = letters.contains("F")
    passed = letters.contains("P")
    replied = letters.contains("R")
    seen = letters.contains("S")
    trashed = letters.contains("T")
    self.keywords = keywords
  }
}

/// A message as it comes from a server, with CRLF.
func message(_ number: Int, lines: Int = 20) -> ByteBuffer {
  var text = "From: a@example.org\r\nSubject: number \(number)\r\n\r\n"
  for line in 0..<lines { text += "Line \(line) of message \(number), long enough to be one.\r\n" }
  return ByteBuffer(string: text)
}

extension ByteBuffer {
  /// With LF line ends, as files have it.
  var folded: String { String(buffer: self).replacing("\r\n", with: "\n") }
}
