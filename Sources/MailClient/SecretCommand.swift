import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A command whose first line of output is a secret. Blocks the thread it runs on.
///
/// Not by Foundation's `Process`: that puts the child into a process group of its own, where it may not read from the
/// terminal, and a password manager has to ask for its own password there.
struct SecretCommand {
  /// The program, looked up in PATH, and its arguments.
  let arguments: [String]
  /// For messages.
  let name: String
  var limit = MailClientLimits.secretCommand

  func firstLine(isCancelled: BlockingWork.Cancellation) -> Result<[UInt8], SecretFailure> {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return failed("no pipe: \(SecretFile.words(errno))") }
    let (output, input) = (ends[0], ends[1])
    defer { close(output) }
    _ = fcntl(output, F_SETFD, FD_CLOEXEC)
    _ = fcntl(input, F_SETFD, FD_CLOEXEC)
    _ = fcntl(output, F_SETFL, O_NONBLOCK)
    let started = start(output: input)
    close(input)
    switch started {
    case .failure(let failure): return .failure(failure)
    case .success(let child): return read(output, of: child, isCancelled)
    }
  }

  private func failed(_ why: String) -> Result<[UInt8], SecretFailure> { .failure(.because("\(name): \(why)")) }

  // MARK: Start

  private func start(output: Int32) -> Result<pid_t, SecretFailure> {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t?
      var attributes: posix_spawnattr_t?
    #else
      var actions = posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    posix_spawn_file_actions_init(&actions)
    posix_spawnattr_init(&attributes)
    defer {
      posix_spawn_file_actions_destroy(&actions)
      posix_spawnattr_destroy(&attributes)
    }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    // Threads of a pool block signals and servers ignore SIGPIPE; a child must not inherit either.
    var (none, all) = (sigset_t(), sigset_t())
    sigemptyset(&none)
    sigemptyset(&all)
    // Nor those of ours that we turn into an orderly end.
    for number in [SIGPIPE, SIGINT, SIGTERM] { sigaddset(&all, number) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    var flags = Int16(POSIX_SPAWN_SETSIGMASK) | Int16(POSIX_SPAWN_SETSIGDEF)
    #if canImport(Darwin)
      flags |= Int16(POSIX_SPAWN_CLOEXEC_DEFAULT)
      posix_spawn_file_actions_addinherit_np(&actions, 2)
    #else
      for file in Self.openFiles() { posix_spawn_file_actions_addclose(&actions, file) }
    #endif
    posix_spawnattr_setflags(&attributes, flags)

    var child = pid_t()
    let status = withCStrings(arguments) { arguments in
      withCStrings(Self.environment()) { environment in
        posix_spawnp(&child, self.arguments.first ?? "", &actions, &attributes, arguments, environment)
      }
    }
    if status == 0 { return .success(child) }
    return .failure(
      .because(
        "\(name): \(status == ENOENT ? "is not installed (\(arguments.first ?? ""))" : SecretFile.words(status))"))
  }

  /// Sockets of SwiftNIO stay open on exec: a child, or an agent it leaves behind, would hold connections open, and could
  /// read there. One that is closed before the child is made does no harm.
  private static func openFiles() -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return names.compactMap { Int32($0) }.filter { $0 > 2 }
  }

  /// Ours, without the password that may stand there.
  static func environment(_ ours: [String: String] = ProcessInfo.processInfo.environment) -> [String] {
    ours.filter { $0.key != "MERPATI_PASSWORD" }.map { "\($0.key)=\($0.value)" }
  }

  private func withCStrings<Result>(
    _ words: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
  ) -> Result {
    let copies = words.map { strdup($0) }
    defer { for copy in copies { free(copy) } }
    return body(copies + [nil])
  }

  // MARK: Output

  private func read(
    _ output: Int32, of child: pid_t, _ cancellation: BlockingWork.Cancellation
  ) -> Result<[UInt8], SecretFailure> {
    let deadline = ContinuousClock.now + limit
    var bytes: [UInt8] = []
    var exit: Int32?
    var isOpen = true
    while isOpen || exit == nil {
      if cancellation.isCancelled {
        stop(child, hasEnded: exit != nil)
        return .failure(.cancelled)
      }
      if ContinuousClock.now >= deadline {
        stop(child, hasEnded: exit != nil)
        return failed("gave no answer within \(limit.components.seconds) s")
      }
      // A grandchild may hold the pipe open for ever: when the child is gone, what is there now is all.
      let hadEnded = exit != nil
      if isOpen {
        isOpen = drain(output, into: &bytes) && !hadEnded
      } else {
        poll(nil, 0, 5)
      }
      guard bytes.count <= MailClientLimits.secret else {
        stop(child, hasEnded: exit != nil)
        return failed("printed more than \(MailClientLimits.secret >> 10) KiB")
      }
      if exit == nil {
        var status: Int32 = 0
        let ended = waitpid(child, &status, WNOHANG)
        // ECHILD: somebody else has waited for it; its output is all there is to judge by.
        if ended == child { exit = status } else if ended < 0, errno != EINTR { exit = 0 }
      }
    }
    return judge(exit ?? 0, bytes)
  }

  /// Waits a little for output and takes all of it. False at its end.
  private func drain(_ output: Int32, into bytes: inout [UInt8]) -> Bool {
    var wanted = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
    guard poll(&wanted, 1, MailClientLimits.commandPoll) > 0 else { return true }
    var buffer = [UInt8](repeating: 0, count: 4096)
    while bytes.count <= MailClientLimits.secret {
      let size = buffer.count
      let count = buffer.withUnsafeMutableBytes { systemRead(output, $0.baseAddress, size) }
      if count > 0 {
        bytes += buffer[..<count]
      } else if count == 0 {
        return false
      } else {
        return errno == EAGAIN || errno == EINTR
      }
    }
    return true
  }

  private func stop(_ child: pid_t, hasEnded: Bool) {
    guard !hasEnded else { return }
    kill(child, SIGKILL)
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0, errno == EINTR {}
  }

  private func judge(_ status: Int32, _ bytes: [UInt8]) -> Result<[UInt8], SecretFailure> {
    let signal = status & 0x7F
    guard signal == 0 else { return failed("was ended by signal \(signal)") }
    let code = status >> 8 & 0xFF
    guard code == 0 else { return failed("ended with exit code \(code)") }
    return .success(MailClient.firstLine(bytes))
  }
}

/// `read` of the system, which methods of the same name hide.
private func systemRead(_ file: Int32, _ buffer: UnsafeMutableRawPointer?, _ count: Int) -> Int {
  read(file, buffer, count)
}
