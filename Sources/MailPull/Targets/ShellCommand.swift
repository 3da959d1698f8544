import LocalMail

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A delivery command that runs.
struct ShellCommand: ~Copyable {
  enum How: Sendable, Hashable {
    case exit(Int32)
    case signal(Int32)
    case timedOut
  }
  struct Ended: Sendable, Hashable {
    var how: How
    /// The last of what it said on either output, at most `PullLimits.pipeOutput`.
    var output: String
  }

  private let command: String
  private let process: pid_t
  private let reading: Int32

  /// Starts `/bin/sh -c command` with `input`, read from its beginning, as standard input.
  /// - hiding: variables of the environment that are none of its business.
  init(_ command: String, input: Int32, hiding: Set<String> = []) throws {
    guard lseek(input, 0, SEEK_SET) == 0 else { throw PullFiles.failure("seek", command) }
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { throw PullFiles.failure("pipe", command) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    do { process = try Self.start(command, input: input, output: ends[1], hiding: hiding) } catch {
      close(ends[0])
      throw error
    }
    reading = ends[0]
    self.command = command
  }

  /// Blocks until the command has ended, at most `time`. To be called once.
  consuming func wait(_ time: Duration) throws -> Ended {
    defer { close(reading) }
    let deadline = ContinuousClock.now + time
    var output: [UInt8] = []
    var isOpen = true
    var pause: Int32 = 1
    while true {
      if isOpen {
        isOpen = Self.collect(reading, wait: pause, into: &output)
      } else {
        usleep(UInt32(pause) * 1000)
      }
      var status: Int32 = 0
      let ended = waitpid(process, &status, WNOHANG)
      if ended == process {
        if isOpen { _ = Self.collect(reading, wait: 0, into: &output) }
        return Ended(how: Self.how(status), output: Self.text(output))
      }
      if ended < 0, errno != EINTR { throw PullFiles.failure("waitpid", command) }
      if ContinuousClock.now >= deadline {
        // Its whole group: what it started as well.
        kill(-process, SIGKILL)
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return Ended(how: .timedOut, output: Self.text(output))
      }
      pause = min(pause * 2, isOpen ? 50 : 8)
    }
  }

  private static func start(_ command: String, input: Int32, output: Int32, hiding: Set<String>) throws -> pid_t {
    defer { close(output) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_adddup2(&actions, output, 2)
    for file in openFiles() { posix_spawn_file_actions_addclose(&actions, file) }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // A group of its own, and no signal blocked or ignored that we block or ignore.
    var none = sigset_t()
    sigemptyset(&none)
    var all = sigset_t()
    sigfillset(&all)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &all)
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(
      &attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("/bin/sh"), strdup("-c"), strdup(command), nil]
    defer { for argument in arguments { free(argument) } }
    var environment = inherited(hiding) + [nil]
    defer { for variable in environment { free(variable) } }
    var process = pid_t()
    let code = posix_spawn(&process, "/bin/sh", &actions, &attributes, &arguments, &environment)
    guard code == 0 else { throw PullFiles.failure("start", command, code) }
    return process
  }

  /// SwiftNIO's sockets stay open on exec: the command could read mail there, and what it leaves running would hold the
  /// session with the server. One that is closed meanwhile does no harm.
  private static func openFiles() -> [Int32] {
    guard let folder = opendir("/dev/fd") else { return [] }
    defer { closedir(folder) }
    var result: [Int32] = []
    while let entry = readdir(folder) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if let file = Int32(name), file > 2 { result.append(file) }
    }
    return result
  }

  /// Our environment without the mail account's secrets: they are none of the command's business.
  private static func inherited(_ hiding: Set<String>) -> [UnsafeMutablePointer<CChar>?] {
    var result: [UnsafeMutablePointer<CChar>?] = []
    var next = environ
    while let variable = next.pointee {
      let name = String(cString: variable).prefix { $0 != "=" }
      if !name.hasPrefix("MERPATI_PASSWORD"), !hiding.contains(String(name)) { result.append(strdup(variable)) }
      next += 1
    }
    return result
  }

  /// Reads what is there within `wait` milliseconds; false when the other end is closed.
  private static func collect(_ descriptor: Int32, wait: Int32, into output: inout [UInt8]) -> Bool {
    var buffer = [UInt8](repeating: 0, count: 4096)
    var ready = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    var timeout = wait
    // Bounded, so that a command that never stops talking does not keep us from its deadline.
    for _ in 0..<64 {
      guard poll(&ready, 1, timeout) > 0 else { return true }
      let count = read(descriptor, &buffer, buffer.count)
      if count == 0 || (count < 0 && errno != EINTR) { return false }
      if count > 0 {
        output += buffer[..<count]
        if output.count > PullLimits.pipeOutput { output.removeFirst(output.count - PullLimits.pipeOutput) }
      }
      timeout = 0
    }
    return true
  }

  private static func how(_ status: Int32) -> How {
    let signal = status & 0x7F
    return signal == 0 ? .exit((status >> 8) & 0xFF) : .signal(signal)
  }

  /// One line.
  private static func text(_ output: [UInt8]) -> String {
    let printable = output.map { $0 == 0x0A || $0 == 0x0D || $0 == 0x09 ? 0x20 : $0 }
    var text = String(decoding: printable, as: UTF8.self)
    text.unicodeScalars.removeAll { $0.properties.generalCategory == .control }
    let trimmed = text.drop { $0 == " " }
    return String(trimmed.reversed().drop { $0 == " " }.reversed())
  }
}
