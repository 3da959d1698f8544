import CProcess
import Foundation

/// The user that `serve` runs as once its ports are open (`process.user`, `process.group`).
struct ProcessIdentity: Sendable, Hashable {
  let name: String
  let user: uid_t
  let group: gid_t
  /// All groups of the user: a key may be shared with one of them.
  let groups: [gid_t]

  /// Nil: this process stays who it is.
  ///
  /// - Throws: `ConfigError` when there is no such user or group, or when only root could become it.
  static func wanted(user: String, group: String) throws(ConfigError) -> ProcessIdentity? {
    guard !user.isEmpty else {
      guard group.isEmpty else { throw ConfigError("process.group goes with process.user: set that as well") }
      return nil
    }
    let identity = try ProcessIdentity(user: user, group: group)
    guard geteuid() != 0 else { return identity }
    // A service manager may have made us this user already.
    guard identity.user == geteuid() else {
      throw ConfigError("process.user: only root can become \(user): start the server as root, or leave this key out")
    }
    return nil
  }

  private init(user: String, group: String) throws(ConfigError) {
    guard let entry = Self.entry({ getpwnam_r(user, $0, $1, $2, $3) }, passwd()) else {
      throw ConfigError("process.user: there is no user \(user)")
    }
    name = user
    self.user = entry.pw_uid
    if group.isEmpty {
      self.group = entry.pw_gid
    } else {
      guard let found = Self.entry({ getgrnam_r(group, $0, $1, $2, $3) }, Glibc.group()) else {
        throw ConfigError("process.group: there is no group \(group)")
      }
      self.group = found.gr_gid
    }
    var groups = [gid_t](repeating: 0, count: 64)
    var count = Int32(groups.count)
    if getgrouplist(user, self.group, &groups, &count) < 0 {
      groups = [gid_t](repeating: 0, count: Int(count))
      guard getgrouplist(user, self.group, &groups, &count) >= 0 else {
        throw ConfigError("process.user: the groups of \(user) cannot be read")
      }
    }
    self.groups = Array(groups.prefix(Int(count)))
  }

  /// The number of a group; `key` names the setting in what is thrown.
  static func group(_ name: String, key: String) throws(ConfigError) -> gid_t {
    guard let found = entry({ getgrnam_r(name, $0, $1, $2, $3) }, Glibc.group()) else {
      throw ConfigError("\(key): there is no group \(name)")
    }
    return found.gr_gid
  }

  /// The name of a user, or its number where it has none.
  static func name(of user: uid_t) -> String {
    var buffer = [CChar](repeating: 0, count: 16_384)
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    guard getpwuid_r(user, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return "user \(user)" }
    return String(cString: entry.pw_name)
  }

  /// What `getpwnam_r` and its kin find; only numbers may be taken from it, its texts are gone.
  private static func entry<Entry>(
    _ call: (
      UnsafeMutablePointer<Entry>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>
    ) -> Int32, _ empty: Entry
  ) -> Entry? {
    var size = 16_384
    while true {
      var buffer = [CChar](repeating: 0, count: size)
      var entry = empty
      var found: UnsafeMutablePointer<Entry>?
      let code = call(&entry, &buffer, size, &found)
      guard code == ERANGE, size < 1 << 20 else { return code == 0 && found != nil ? entry : nil }
      size *= 4
    }
  }
}

extension ProcessIdentity {
  /// Becomes this user for good, in every thread. The C library carries the change to all threads of the process; that it
  /// has is looked up in the kernel's own account of each of them.
  ///
  /// - Throws: `ControlFailure` when anything of root is left.
  func assume() throws(ControlFailure) {
    guard setgroups(groups.count, groups) == 0 else { throw failure("setgroups") }
    guard merpati_setresgid(group, group, group) == 0 else { throw failure("setresgid") }
    guard merpati_setresuid(user, user, user) == 0 else { throw failure("setresuid") }
    try verify()
    // A change of user makes the kernel forget it.
    ProcessHardening.hideMemory()
  }

  private func verify() throws(ControlFailure) {
    var ids: (real: uid_t, effective: uid_t, saved: uid_t) = (0, 0, 0)
    guard merpati_getresuid(&ids.real, &ids.effective, &ids.saved) == 0, ids == (user, user, user) else {
      throw failure("getresuid")
    }
    guard merpati_getresgid(&ids.real, &ids.effective, &ids.saved) == 0, ids == (group, group, group) else {
      throw failure("getresgid")
    }
    if user != 0 {
      guard setuid(0) != 0, setreuid(0, 0) != 0 else { throw failure("root can be had back") }
      for thread in try threads() {
        guard thread.users == Set([user]), thread.groups == Set([group]), thread.capabilities == 0 else {
          throw failure("thread \(thread.number) is still another user")
        }
      }
    }
  }

  private struct Thread {
    var number: String
    var users: Set<uid_t> = []
    var groups: Set<gid_t> = []
    /// Effective and permitted ones.
    var capabilities: UInt64 = 0
  }

  /// From /proc; empty where there is none (a chroot without it).
  private func threads() throws(ControlFailure) -> [Thread] {
    let folder = "/proc/self/task"
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else { return [] }
    var result: [Thread] = []
    for name in names {
      // A thread may end meanwhile.
      guard let text = try? String(contentsOfFile: "\(folder)/\(name)/status", encoding: .utf8) else { continue }
      var thread = Thread(number: name)
      for line in text.split(separator: "\n") {
        let words = line.split { $0 == ":" || $0 == "\t" || $0 == " " }
        switch words.first {
        case "Uid": thread.users = Set(words.dropFirst().compactMap { uid_t($0) })
        case "Gid": thread.groups = Set(words.dropFirst().compactMap { gid_t($0) })
        case "CapEff", "CapPrm": thread.capabilities |= words.last.flatMap { UInt64($0, radix: 16) } ?? .max
        default: break
        }
      }
      result.append(thread)
    }
    return result
  }

  private func failure(_ what: String) -> ControlFailure {
    ControlFailure(
      .noPermission, "cannot become \(name): \(what): \(String(cString: strerror(errno))); nothing was served")
  }
}
