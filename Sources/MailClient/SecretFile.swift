#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file whose first line is a secret.
enum SecretFile {
  static func firstLine(of path: String) -> Result<[UInt8], SecretFailure> {
    // O_NONBLOCK: a pipe without a writer must not hold us; on a plain file it does nothing.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return .failure(.because("\(path): \(words(errno))")) }
    defer { close(file) }
    var status = stat()
    guard fstat(file, &status) == 0 else { return .failure(.because("\(path): \(words(errno))")) }
    if let problem = problem(status, path: path) { return .failure(.because(problem)) }
    var bytes = [UInt8](repeating: 0, count: MailClientLimits.secret)
    var filled = 0
    while filled < bytes.count {
      let count = bytes.withUnsafeMutableBytes { buffer in
        read(file, buffer.baseAddress.map { $0 + filled }, buffer.count - filled)
      }
      if count == 0 { break }
      if count < 0 {
        if errno == EINTR { continue }
        return .failure(.because("\(path): \(words(errno))"))
      }
      filled += count
    }
    return .success(MailClient.firstLine(Array(bytes[..<filled])))
  }

  /// Who else could read or change it. Nil if nobody.
  private static func problem(_ status: stat, path: String) -> String? {
    guard status.st_mode & S_IFMT == S_IFREG else { return "\(path) is no plain file" }
    let owner = status.st_uid
    guard owner == 0 || owner == geteuid() else {
      return "\(path) belongs to another user, who can change it; make a copy of your own with mode 600"
    }
    let others = status.st_mode & 0o007 != 0
    // The administrator may share a file of root's with a service's group (0640), as systemd's credentials are.
    let group = owner == 0 ? status.st_mode & 0o020 != 0 : status.st_mode & 0o070 != 0
    guard others || group else { return nil }
    return "other users can read or change \(path); mend it by: chmod 600 \(path)"
  }

  static func words(_ code: Int32) -> String { String(cString: strerror(code)).lowercased() }
}
