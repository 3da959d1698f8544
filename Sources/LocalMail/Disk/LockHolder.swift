import Bytes

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Who holds a lock file, as written into it.
///
/// `pid:host`, as Dovecot and others write and read it; then a NUL, at which they stop reading, and what tells this process
/// from every other one that ever had its number: the boot of the machine, the space of process numbers (containers have
/// their own) and when the process started. Only where boot and space are ours can a look at the processes tell that the
/// holder is dead: everything else (another machine on a shared disk, a container, a program that writes less) is judged by
/// the lock's age.
struct LockHolder: Equatable {
  var process: Int32
  var host: String
  var boot: String
  var space: String
  /// Clock ticks since the boot.
  var started: UInt64

  /// This process; nil where the system does not tell all of it.
  static let current: LockHolder? = {
    let process = getpid()
    guard let boot = ProcessFacts.boot(), let space = ProcessFacts.space(),
      let started = ProcessFacts.started(process)
    else { return nil }
    return LockHolder(process: process, host: UniqueName.host, boot: boot, space: space, started: started)
  }()

  /// What a lock file of this process holds.
  static var text: [UInt8] {
    let line = "\(getpid()):\(UniqueName.host)"
    guard let current else { return Array(line.utf8) }
    return Array("\(line)\0\(current.boot) \(current.space) \(current.started)\n".utf8)
  }

  init(process: Int32, host: String, boot: String, space: String, started: UInt64) {
    (self.process, self.host, self.boot, self.space, self.started) = (process, host, boot, space, started)
  }

  /// Nil for anything but what `text` writes in full.
  init?(_ bytes: [UInt8]) {
    let parts = bytes.split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].last == .lf else { return nil }
    let line = String(decoding: parts[0], as: UTF8.self)
    let words = String(decoding: parts[1].dropLast(), as: UTF8.self).split(separator: " ")
    guard let colon = line.firstIndex(of: ":"), let process = Int32(line[..<colon]), process > 0, words.count == 3,
      let started = UInt64(words[2])
    else { return nil }
    self.init(
      process: process, host: String(line[line.index(after: colon)...]), boot: String(words[0]),
      space: String(words[1]), started: started)
  }

  /// Certainly no longer running. False when it runs, and when that cannot be told from here.
  func isDead(seenBy observer: LockHolder?, started look: (Int32) -> ProcessFacts.Look = ProcessFacts.look) -> Bool {
    guard let observer, host == observer.host, boot == observer.boot, space == observer.space else { return false }
    switch look(process) {
    case .none: return true
    // The number was given to another process.
    case .runs(let since): return since != started
    case .unknown: return false
    }
  }
}

/// What Linux tells of processes; other systems tell nothing here.
enum ProcessFacts {
  enum Look: Equatable {
    case none
    case runs(since: UInt64)
    case unknown
  }

  static func look(_ process: Int32) -> Look {
    if let since = started(process) { return .runs(since: since) }
    // Where /proc hides what is not ours, the process answers all the same (EPERM), or is not there (ESRCH).
    return kill(process, 0) != 0 && errno == ESRCH ? .none : .unknown
  }

  /// Of this boot of the machine.
  static func boot() -> String? {
    read("/proc/sys/kernel/random/boot_id").map { String($0.prefix { $0 != "\n" }) }.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// `pid:[4026531836]`
  static func space() -> String? {
    var bytes = [CChar](repeating: 0, count: 128)
    let count = readlink("/proc/self/ns/pid", &bytes, bytes.count)
    guard count > 0, count < bytes.count else { return nil }
    return String(decoding: bytes[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// Clock ticks since the boot (proc(5), field 22 of stat).
  static func started(_ process: Int32) -> UInt64? {
    // A program may have blanks and parentheses in its name; what counts stands behind the last one.
    guard let text = read("/proc/\(process)/stat"), let end = text.lastIndex(of: ")") else { return nil }
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 19 ? UInt64(fields[19]) : nil
  }

  private static func read(_ path: String) -> String? {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { systemClose(file) }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes { buffer in
      #if canImport(Glibc)
        Glibc.read(file, buffer.baseAddress, buffer.count)
      #else
        Darwin.read(file, buffer.baseAddress, buffer.count)
      #endif
    }
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
  }
}
