import Foundation
import MailNet
import Testing

@testable import MailClient

@Suite(.timeLimit(.minutes(1)))
struct SecretSourceTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("secrets-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func file(_ content: String, mode: Int = 0o600, name: String = "secret") throws -> String {
    let path = folder.appendingPathComponent(name).path
    try Data(content.utf8).write(to: URL(fileURLWithPath: path))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    return path
  }

  private func text(_ source: SecretSource) async throws -> String {
    String(decoding: try await source.secret(server: "h:143"), as: UTF8.self)
  }

  private func problem(_ source: SecretSource) async throws -> String {
    let error = await #expect(throws: ClientError.self) { try await source.secret(server: "h:143") }
    guard case .secretUnavailable(let why) = error?.kind else { throw Unexpected(error) }
    #expect(error?.server == "h:143")
    return why
  }

  // MARK: Commands

  @Test(arguments: [
    ("echo rahasia", "rahasia"), ("printf 'rahasia'", "rahasia"), ("printf 'one\\ntwo\\n'", "one"),
    ("printf 'one\\r\\n'", "one"), ("printf ' blanks stay \\n'", " blanks stay "), ("echo 'p\u{e4}ss'", "p\u{e4}ss"),
    ("cat; echo nothing on stdin", "nothing on stdin"), ("(sleep 50 &) ; echo early", "early"),
  ])
  func `A command's first line is the secret`(command: String, secret: String) async throws {
    #expect(try await text(.command(command)) == secret)
  }

  @Test(arguments: [
    ("echo rahasia; exit 3", "exit code 3"), ("exit 1", "exit code 1"), ("kill -9 $$", "signal 9"),
    ("true", "empty line"), ("echo; echo second", "empty line"), ("printf 'a\\0b'", "binary"),
    ("nonexistent-command-77", "exit code 127"), ("head -c 100000 /dev/zero | tr '\\0' x", "more than 64 KiB"),
  ])
  func `A command that fails is not believed`(command: String, reason: String) async throws {
    let why = try await problem(.command(command))
    #expect(why.contains(reason))
    #expect(!why.contains("rahasia"))
  }

  @Test func `A command without end is stopped`() {
    let command = SecretCommand(
      arguments: ["/bin/sh", "-c", "exec sleep 1000"], name: "the password command", limit: .milliseconds(100))
    guard case .failure(.because(let why)) = command.firstLine(isCancelled: .init()) else {
      Issue.record("no failure")
      return
    }
    #expect(why.contains("no answer within"))
  }

  @Test func `A cancelled task does not wait for its command`() async throws {
    let waiting = Task { try await SecretSource.command("exec sleep 1000").secret(server: "h") }
    try await Task.sleep(for: .milliseconds(30))
    waiting.cancel()
    await #expect(throws: ClientError(.cancelled, server: "h")) { try await waiting.value }
  }

  @Test func `A command may use the terminal and signals as from a shell, and does not see our password`() async throws
  {
    #expect(SecretCommand.environment(["MERPATI_PASSWORD": "ours", "A": "b=c"]) == ["A=b=c"])
    #expect(try await text(.command("echo \"$PATH\"")) == getenv("PATH").map { String(cString: $0) })
    // The same process group as ours: a password manager may ask on the terminal.
    let group = try await text(.command("ps -o pgid= -p $$ | tr -d ' '"))
    #expect(group == "\(getpgrp())")
    // No blocked signals are handed down.
    let blocked = try await text(.command("grep SigBlk /proc/self/status | tr -dc 0-9a-f"))
    #expect(blocked.hasSuffix(String(repeating: "0", count: 16)))
  }

  @Test func `A secret of the environment is read once and wiped where it stood`() async throws {
    setenv("TEST_SECRET_77", "geheim 77", 1)
    let place = getenv("TEST_SECRET_77")
    #expect(try await text(.environment("TEST_SECRET_77")) == "geheim 77")
    #expect((0..<9).allSatisfy { place?[$0] == 0 })
    // For the next connection.
    #expect(try await text(.environment("TEST_SECRET_77")) == "geheim 77")
    #expect(try await text(.command("echo \"[$TEST_SECRET_77]\"")) == "[]")
    setenv("TEST_SECRET_77", "another", 1)
    #expect(try await text(.environment("TEST_SECRET_77")) == "another")
    unsetenv("TEST_SECRET_77")
  }

  @Test func `A command gets none of our files and sockets`() async throws {
    // A number that the shell does not use itself.
    let file = fcntl(2, F_DUPFD, 200)
    defer { close(file) }
    #expect(file >= 200)
    #expect(try await text(.command("[ -e /proc/$$/fd/\(file) ] && echo open || echo closed")) == "closed")
    #expect(try await text(.command("[ -e /proc/$$/fd/2 ] && echo open || echo closed")) == "open")
  }

  // MARK: Files

  @Test(arguments: [("rahasia\n", "rahasia"), ("rahasia", "rahasia"), ("one\r\ntwo", "one"), (" a b \n", " a b ")])
  func `A file's first line is the secret`(content: String, secret: String) async throws {
    #expect(try await text(.file(try file(content))) == secret)
    #expect(try await text(.file(try file(content, mode: 0o400, name: "read-only"))) == secret)
  }

  @Test(arguments: [0o604, 0o602, 0o644, 0o666, 0o601])
  func `A file that others can read or change is refused, with the cure`(mode: Int) async throws {
    let path = try file("rahasia\n", mode: mode)
    let why = try await problem(.file(path))
    #expect(why.contains("chmod 600 \(path)"))
    #expect(!why.contains("rahasia"))
  }

  @Test func `The administrator may let a group read a file of root's`() async throws {
    let path = try file("rahasia\n", mode: 0o640)
    if geteuid() == 0 {
      #expect(try await text(.file(path)) == "rahasia")
      #expect(chown(path, 12345, 0) == 0)
      #expect(try await problem(.file(path)).contains("another user"))
    } else {
      #expect(try await problem(.file(path)).contains("chmod 600"))
    }
    let writable = try file("rahasia\n", mode: 0o660, name: "writable")
    #expect(try await problem(.file(writable)).contains("chmod 600"))
  }

  @Test func `What is no file with a line in it is refused`() async throws {
    #expect(try await problem(.file(folder.path)).contains("no plain file"))
    #expect(try await problem(.file(folder.path + "/none")).contains("no such file"))
    #expect(try await problem(.file(try file("\n"))).contains("empty line"))
    let pipe = folder.appendingPathComponent("pipe").path
    #expect(mkfifo(pipe, 0o600) == 0)
    #expect(try await problem(.file(pipe)).contains("no plain file"))
  }

  // MARK: The others

  @Test func `A missing variable and an empty prompt are no secret`() async throws {
    #expect(try await problem(.environment("MERPATI_NOT_SET_77")).contains("MERPATI_NOT_SET_77 is not set"))
    #expect(try await problem(.value("")).contains("empty"))
    #expect(try await text(.value("x")) == "x")
  }

  @Test func `The secret service is asked by secret-tool`() async throws {
    // A secret-tool of our own.
    let tool = try file(
      "#!/bin/sh\n[ \"$*\" = 'lookup service imap user budi' ] && printf geheim || exit 1\n", mode: 0o700,
      name: "secret-tool")
    let found = await SecretSource.lookUp(["user": "budi", "service": "imap"], tool: tool)
    #expect(try found.get() == Array("geheim".utf8))
    guard case .failure(.because(let why)) = await SecretSource.lookUp(["user": "siti"], tool: tool) else {
      throw Unexpected("found")
    }
    #expect(why.contains("exit code 1"))
    #expect(why.contains("secret-tool store --label=mail user siti"))
    guard case .failure(.because(let missing)) = await SecretSource.lookUp(["a": "b"], tool: "no-tool-77") else {
      throw Unexpected("found")
    }
    #expect(missing.contains("is not installed"))
    #expect(try await problem(.secretService([:])).contains("attributes"))
  }
}

struct Unexpected: Error {
  let what: String
  init(_ what: (some Any)?) { self.what = "\(what.map { "\($0)" } ?? "nothing")" }
}
