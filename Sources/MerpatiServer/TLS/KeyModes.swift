import Logging
import MailNet

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Whether private keys are private.
enum KeyModes {
  /// Files that everybody on the machine can read, or that others than owner and root can change.
  static func exposed(_ files: [CertificateFiles]) -> [String] {
    var exposed: [String] = []
    for path in Set(files.map(\.key)).sorted() {
      var status = stat()
      guard stat(path, &status) == 0 else { continue }
      // A group may read it: that is how Debian shares keys (ssl-cert).
      if status.st_mode & 0o026 != 0 { exposed.append(path) }
    }
    return exposed
  }

  static func warn(_ files: [CertificateFiles], _ logger: Logger) {
    for path in exposed(files) {
      logger.warning(
        "others can read or change this private key: make it mode 0600, or 0640 with a group of its own",
        metadata: ["file": "\(path)"])
    }
  }
}
