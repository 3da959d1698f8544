import Foundation
import Logging
import MailNet

/// Whether private keys are private.
enum KeyModes {
  /// Files that everybody on the machine can read, or that others than owner and root can change.
  static func exposed(_ files: [CertificateFiles]) -> [String] {
    var exposed: [String] = []
    for path in Set(files.map(\.key)).sorted() {
      guard let owner = FileOwner(of: path, followingLinks: true) else { continue }
      // A group may read it: that is how Debian shares keys (ssl-cert).
      if owner.permissions & 0o026 != 0 { exposed.append(path) }
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
