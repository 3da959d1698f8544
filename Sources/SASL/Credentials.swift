/// The outcome of checking a password against what is stored.
public enum VerifyResult: Sendable, Hashable {
  case matches
  /// The password is right, and what is stored ought to be replaced by `Credentials.make(password:)`: an imported hash,
  /// one of the two SCRAM keys missing, or too few iterations.
  case matchesNeedsUpgrade
  case wrong
}

/// Why a password or its stored form was not taken. The description is one sentence for the administrator and never
/// contains the password or the hash.
public enum CredentialsError: Error, Sendable, Hashable, CustomStringConvertible {
  case emptyPassword
  case passwordTooLong
  /// Not UTF-8, or it holds characters that SASLprep forbids (RFC 4013 §2.3).
  case unsuitablePassword
  /// `{PLAIN}`, `{CLEARTEXT}`: passwords are not kept readable.
  case readablePassword
  case unknownScheme(String)
  case malformed(String)
  case keyDerivationFailed

  public var description: String {
    switch self {
    case .emptyPassword: "the password is empty"
    case .passwordTooLong: "the password is longer than \(SASLLimits.password) octets"
    case .unsuitablePassword:
      "the password is not valid UTF-8 or contains characters that not every client can type (control characters)"
    case .readablePassword: "readable passwords are not stored; give a hash or the password itself"
    case .unknownScheme(let scheme): "password scheme {\(scheme)} is not known"
    case .malformed(let scheme): "the stored password is not a well-formed {\(scheme)}"
    case .keyDerivationFailed: "the keys could not be derived"
    }
  }
}

/// The stored form of an account's password: SCRAM keys for both hashes when the password was set here, or a hash that
/// came by import and stays until the next login that shows the password.
public struct Credentials: Sendable, Hashable {
  enum Form: Sendable, Hashable {
    case scram(sha256: SCRAMKeys?, sha1: SCRAMKeys?)
    case hash(PasswordHash)
    case none
  }

  let form: Form

  init(form: Form) { self.form = form }

  /// No password: nothing matches.
  public static let none = Credentials(form: .none)

  /// Reads the stored form. Several SCRAM keys stand side by side, parted by one space; an empty text is `none`.
  public init(stored text: String) throws(CredentialsError) {
    guard !text.isEmpty else {
      self = .none
      return
    }
    var sha1: SCRAMKeys?
    var sha256: SCRAMKeys?
    for part in text.split(separator: " ") {
      let (scheme, rest) = PasswordHash.splitScheme(part)
      guard let hash = SCRAMHash.allCases.first(where: { $0.scheme == scheme?.uppercased() }) else {
        // Only SCRAM keys may stand side by side.
        guard sha1 == nil, sha256 == nil else { throw .malformed(SCRAMHash.sha256.scheme) }
        self.init(form: .hash(try PasswordHash(text)))
        return
      }
      guard let keys = SCRAMKeys(hash: hash, text: rest) else { throw .malformed(hash.scheme) }
      switch hash {
      case .sha1: sha1 = keys
      case .sha256: sha256 = keys
      }
    }
    guard sha1 != nil || sha256 != nil else { throw .malformed("") }
    self.init(form: .scram(sha256: sha256, sha1: sha1))
  }

  /// The text that `init(stored:)` reads. It is a secret, if a lesser one than the password.
  public var stored: String {
    switch form {
    case .scram(let sha256, let sha1): [sha256?.text, sha1?.text].compactMap(\.self).joined(separator: " ")
    case .hash(let hash): hash.text
    case .none: ""
    }
  }

  /// New keys for SCRAM-SHA-256 and SCRAM-SHA-1, each with a salt of its own. Costs two PBKDF2 runs (about 7 ms at
  /// 15,000 rounds): never on an event loop.
  public static func make(
    password: [UInt8], iterations: Int = SASLLimits.newIterations
  ) throws(CredentialsError) -> Credentials {
    let prepared = try prepare(password)
    // RFC 7677 §4 asks for at least 4096; fewer than the least is a mistake of the caller, so it is raised quietly.
    let rounds = min(max(iterations, 4096), SASLLimits.mostIterations)
    guard
      let sha256 = SCRAMKeys(
        hash: .sha256, preparedPassword: prepared, salt: .random(SASLLimits.newSalt), iterations: rounds),
      let sha1 = SCRAMKeys(
        hash: .sha1, preparedPassword: prepared, salt: .random(SASLLimits.newSalt), iterations: rounds)
    else { throw .keyDerivationFailed }
    return Credentials(form: .scram(sha256: sha256, sha1: sha1))
  }

  /// Checks and normalises a new password (RFC 4013); throws what is wrong with it.
  public static func prepare(_ password: [UInt8]) throws(CredentialsError) -> [UInt8] {
    guard !password.isEmpty else { throw .emptyPassword }
    guard password.count <= SASLLimits.password else { throw .passwordTooLong }
    guard let prepared = SASLprep.prepare(password) else { throw .unsuitablePassword }
    guard !prepared.isEmpty else { throw .emptyPassword }
    return prepared
  }

  /// Checks a password. Milliseconds of CPU, in some imported schemes more: never on an event loop.
  public func verify(_ password: [UInt8], iterations: Int = SASLLimits.newIterations) -> VerifyResult {
    // RFC 4616 §2: if preparation fails or results in an empty string, verification fails.
    // RFC 6856 §2.2 says the same for USER and PASS.
    guard let prepared = try? Self.prepare(password) else { return .wrong }
    switch form {
    case .none:
      return .wrong
    case .scram(let sha256, let sha1):
      guard let keys = sha256 ?? sha1, keys.matches(preparedPassword: prepared) else { return .wrong }
      return sha256 != nil && sha1 != nil && keys.iterations >= iterations ? .matches : .matchesNeedsUpgrade
    case .hash(let hash):
      // Whoever made an imported hash mostly took the bytes as they came.
      if hash.matches(password) { return .matchesNeedsUpgrade }
      // Both are the client's own words, so this is not a secret: whether preparation changed anything.
      return prepared != password && hash.matches(prepared) ? .matchesNeedsUpgrade : .wrong
    }
  }

  /// The keys for a SCRAM mechanism, nil when the stored form has none.
  public func keys(for hash: SCRAMHash) -> SCRAMKeys? {
    guard case .scram(let sha256, let sha1) = form else { return nil }
    return hash == .sha256 ? sha256 : sha1
  }

  /// Both SCRAM mechanisms can be served to this account.
  public var servesSCRAM: Bool { keys(for: .sha256) != nil && keys(for: .sha1) != nil }

  public var isNone: Bool { form == .none }

  /// Credentials that no password matches and that take as long to find that out as those of an account: verified for
  /// names that don't exist.
  public static func decoy(iterations: Int = SASLLimits.newIterations) -> Credentials {
    func keys(_ hash: SCRAMHash) -> SCRAMKeys {
      SCRAMKeys(
        hash: hash, salt: .random(SASLLimits.newSalt), iterations: iterations, storedKey: .random(hash.size),
        serverKey: .random(hash.size))
    }
    return Credentials(form: .scram(sha256: keys(.sha256), sha1: keys(.sha1)))
  }
}

extension [UInt8] {
  /// Bytes from the system's random generator, which is fit for keys.
  static func random(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
  }
}
