/// What it costs to find out that a password is wrong. Stored passwords of equal work take equally long.
///
/// The parameters that make a scheme slow belong to it; salts don't, as they cost nothing.
public struct PasswordWork: Sendable, Hashable {
  private let text: String

  private init(_ text: String) { self.text = text }

  init(_ keys: SCRAMKeys) { self.init("\(keys.hash.scheme) \(keys.iterations)") }

  init(_ hash: PasswordHash) {
    switch hash.form {
    case .digest(let digest, _, _): self.init(digest.rawValue)
    case .crypt(let setting): self.init("crypt " + Self.parameters(setting))
    }
  }

  /// `$6$rounds=9000`, `$2b$12`, `$y$j9T`, `$1`: scheme and cost of a crypt(3) setting (crypt(5)).
  private static func parameters(_ setting: String) -> String {
    guard setting.first == "$" else {
      // Extended DES: `_`, four characters for the rounds, four of salt. Otherwise the old DES.
      return setting.first == "_" ? String(setting.prefix(5)) : "des"
    }
    let fields = setting.dropFirst().split(separator: "$", omittingEmptySubsequences: false)
    guard let scheme = fields.first, fields.count > 1 else { return setting }
    switch scheme {
    case "2a", "2b", "2x", "2y", "y", "gy": return "$\(scheme)$\(fields[1])"
    // scrypt: one character for N, five each for r and p.
    case "7": return "$7$\(fields[1].prefix(11))"
    default: return fields[1].hasPrefix("rounds=") ? "$\(scheme)$\(fields[1])" : "$\(scheme)"
    }
  }
}

extension Credentials {
  /// Nil where there is no password: nothing is computed then.
  public var work: PasswordWork? {
    switch form {
    case .scram(let sha256, let sha1): (sha256 ?? sha1).map { PasswordWork($0) }
    case .hash(let hash): PasswordWork(hash)
    case .none: nil
    }
  }

  /// Something to verify a password against where the outcome doesn't matter, only that it takes as long as here.
  public var standIn: Credentials {
    switch form {
    case .scram(let sha256, let sha1):
      guard let keys = sha256 ?? sha1 else { return self }
      let random = SCRAMKeys(
        hash: keys.hash, salt: .random(keys.salt.count), iterations: keys.iterations,
        storedKey: .random(keys.hash.size), serverKey: .random(keys.hash.size))
      return Credentials(
        form: .scram(sha256: keys.hash == .sha256 ? random : nil, sha1: keys.hash == .sha1 ? random : nil))
    case .hash, .none: return self
    }
  }
}
