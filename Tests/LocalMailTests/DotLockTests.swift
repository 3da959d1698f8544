import Foundation
import Testing

@testable import LocalMail

@Suite struct DotLockTests {
  private static let me = LockHolder(process: 7, host: "here", boot: "b1", space: "pid:[1]", started: 100)

  private func holder(
    _ process: Int32 = 9, host: String = "here", boot: String = "b1", space: String = "pid:[1]", started: UInt64 = 50
  ) -> LockHolder { LockHolder(process: process, host: host, boot: boot, space: space, started: started) }

  @Test func `A holder is dead when its process is gone, or another one has its number`() {
    #expect(holder().isDead(seenBy: Self.me) { _ in .none })
    #expect(holder().isDead(seenBy: Self.me) { _ in .runs(since: 51) })
    #expect(!holder().isDead(seenBy: Self.me) { _ in .runs(since: 50) })
    #expect(!holder().isDead(seenBy: Self.me) { _ in .unknown })
  }

  @Test func `Of another machine, boot or container nothing is known from here`() {
    #expect(!holder(host: "there").isDead(seenBy: Self.me) { _ in .none })
    #expect(!holder(boot: "b0").isDead(seenBy: Self.me) { _ in .none })
    #expect(!holder(space: "pid:[2]").isDead(seenBy: Self.me) { _ in .none })
    #expect(!holder().isDead(seenBy: nil) { _ in .none })
  }

  @Test func `Only what we write in full names a holder`() throws {
    let text = LockHolder.text
    #expect(String(decoding: text.prefix { $0 != 0 }, as: UTF8.self) == "\(getpid()):\(UniqueName.host)")
    #if canImport(Glibc)
      #expect(LockHolder.current != nil && LockHolder(text) == LockHolder.current)
    #endif
    for other in [
      "", "9", "9:here", "9:here\n", "9:here\0", "9:here\0b1 pid:[1] 50", "0:here\0b1 pid:[1] 50\n",
      "-1:here\0b1 pid:[1] 50\n", "x:here\0b1 pid:[1] 50\n", "9:here\0b1 pid:[1]\n", "9:here\0b1 pid:[1] 5x\n",
    ] {
      #expect(LockHolder(Array(other.utf8)) == nil, "\(other.debugDescription)")
    }
    // Cut short, as by a full disk.
    for length in 0..<text.count { #expect(LockHolder(Array(text[..<length])) == nil) }
  }

  #if canImport(Glibc)
    @Test func `A killed process's lock does not hold the next one up, a living one's does`() throws {
      try withFolder { folder in
        let path = folder + "/box.lock"
        let child = Process()
        child.executableURL = URL(fileURLWithPath: "/bin/sleep")
        child.arguments = ["600"]
        try child.run()
        let number = child.processIdentifier
        let current = try #require(LockHolder.current)
        let since = try #require(ProcessFacts.started(number))
        let text = "\(number):\(current.host)\0\(current.boot) \(current.space) \(since)\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: LocalMailError.self) { _ = try DotLock.acquire(path, disk: PosixDisk(), wait: 0) }
        #expect(error?.kind == .locked)
        kill(number, SIGKILL)
        child.waitUntilExit()
        let lock = try DotLock.acquire(path, disk: PosixDisk(), wait: 0)
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data(LockHolder.text))
        lock.release()
        #expect(!FileManager.default.fileExists(atPath: path))
      }
    }

    @Test func `A number that was given to another process holds nobody up`() throws {
      try withFolder { folder in
        let path = folder + "/box.lock"
        let current = try #require(LockHolder.current)
        let text = "\(getpid()):\(current.host)\0\(current.boot) \(current.space) \(current.started - 1)\n"
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        try DotLock.acquire(path, disk: PosixDisk(), wait: 0).release()
      }
    }

    @Test func `Many who find a dead lock take it one after the other`() async throws {
      try await withFolder { folder in
        let path = folder + "/box.lock"
        let current = try #require(LockHolder.current)
        let dead = Data("\(getpid()):\(current.host)\0\(current.boot) \(current.space) \(current.started - 1)\n".utf8)
        let inside = folder + "/inside"
        for _ in 0..<20 {
          try dead.write(to: URL(fileURLWithPath: path))
          try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<6 {
              group.addTask {
                let lock = try DotLock.acquire(path, disk: PosixDisk(), wait: 30)
                // Fails where another one is inside.
                #expect(mkdir(inside, 0o700) == 0)
                usleep(300)
                #expect(rmdir(inside) == 0)
                lock.release()
              }
            }
            try await group.waitForAll()
          }
        }
      }
    }
  #endif

  private func withFolder<Value>(_ body: (String) throws -> Value) throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dotlock-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try body(folder)
  }

  private func withFolder<Value>(_ body: (String) async throws -> Value) async throws -> Value {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("dotlock-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
  }
}
