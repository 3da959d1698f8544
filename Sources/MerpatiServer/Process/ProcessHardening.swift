import CProcess
import Foundation

/// What a process that handles passwords and mail gives up at its start.
public enum ProcessHardening {
  /// No core file, and no look into our memory or environment by other processes of the same user. For every command:
  /// `pull` and `account` hold passwords, too.
  public static func hideMemory() {
    var none = rlimit(rlim_cur: 0, rlim_max: 0)
    _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    // The bound alone does not hold where cores go to a pipe (core(5)).
    _ = merpati_set_dumpable(0)
  }

  /// Nothing that `serve` makes may be written by others, in the moment before a socket gets its mode neither.
  static func narrowFileModes() {
    let inherited = umask(0o077)
    umask(inherited | 0o027)
  }

  /// No set-user-ID program gives us back what we have given up (prctl(2)).
  public static func forbidNewPrivileges() { _ = merpati_forbid_new_privileges() }
}
