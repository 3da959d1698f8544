import Foundation
import MailNet

/// Sockets that a service manager opened for us (sd_listen_fds(3)). Each is named by the kind of its listener:
/// `FileDescriptorName=imaps` in a systemd socket unit.
struct InheritedSockets {
  private(set) var sockets: [(kind: Settings.ListenerKind, descriptor: Int32)] = []

  static let none = InheritedSockets()
  private init() {}

  mutating func add(_ kind: Settings.ListenerKind, _ descriptor: Int32) { sockets.append((kind, descriptor)) }

  private static let firstDescriptor: Int32 = 3

  /// Takes them, once: children must not, so the variables are removed.
  static func take() throws(ConfigError) -> InheritedSockets {
    let environment = ProcessInfo.processInfo.environment
    defer { for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { unsetenv(name) } }
    return try InheritedSockets(environment)
  }

  init(_ environment: [String: String], process: pid_t = getpid()) throws(ConfigError) {
    guard environment["LISTEN_PID"] == "\(process)", let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }),
      (1...1024).contains(count)
    else { return }
    let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
    let kinds = Settings.ListenerKind.allCases.map(\.rawValue).joined(separator: ", ")
    for index in 0..<count {
      let descriptor = Self.firstDescriptor + index
      let name = names.indices.contains(Int(index)) ? String(names[Int(index)]) : ""
      guard let kind = Settings.ListenerKind(rawValue: name) else {
        throw ConfigError(
          "the service manager hands over a socket named '\(name)': FileDescriptorName must be one of \(kinds)")
      }
      guard BoundSocket.listens(descriptor) else {
        throw ConfigError("the service manager hands over descriptor \(descriptor) for \(name), which does not listen")
      }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      add(kind, descriptor)
    }
  }
}
