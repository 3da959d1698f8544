import Bytes
import CLibc
import Crypto

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A password hash made elsewhere, as it came with an imported account.
public struct PasswordHash: Sendable, Hashable {
  enum Digest: String, Sendable, Hashable {
    case sha1, sha256, sha512

    var size: Int {
      switch self {
      case .sha1: 20
      case .sha256: 32
      case .sha512: 64
      }
    }

    func hash(_ bytes: [UInt8]) -> [UInt8] {
      switch self {
      case .sha1: Array(Insecure.SHA1.hash(data: bytes))
      case .sha256: Array(SHA256.hash(data: bytes))
      case .sha512: Array(SHA512.hash(data: bytes))
      }
    }
  }

  enum Form: Sendable, Hashable {
    /// Everything crypt(3) knows: `$6$`, `$5$`, `$2b$`, `$y$`, `$1$`, DES.
    case crypt(String)
    /// LDAP's salted digests: the digest of password and salt, then the salt.
    case digest(Digest, value: [UInt8], salt: [UInt8])
  }

  /// As it was read; `{CRYPT}` is put in front of a bare crypt(3) string.
  public let text: String
  let form: Form

  /// Reads `{SCHEME}data`, or a bare crypt(3) string that begins with `$`.
  public init(_ text: String) throws(CredentialsError) {
    let (scheme, rest) = Self.splitScheme(text)
    guard let scheme else {
      guard text.hasPrefix("$") else { throw .malformed("CRYPT") }
      self.form = .crypt(try Self.checkedCrypt(text[...], scheme: "CRYPT"))
      self.text = "{CRYPT}" + text
      return
    }
    self.text = text
    let upper = scheme.uppercased()
    switch upper {
    case "CRYPT", "MD5-CRYPT", "DES-CRYPT", "SHA256-CRYPT", "SHA512-CRYPT", "BLF-CRYPT", "YESCRYPT":
      form = .crypt(try Self.checkedCrypt(rest, scheme: upper))
    case "SSHA", "SHA": form = try Self.digest(.sha1, rest, scheme: upper)
    case "SSHA256", "SHA256": form = try Self.digest(.sha256, rest, scheme: upper)
    case "SSHA512", "SHA512": form = try Self.digest(.sha512, rest, scheme: upper)
    case "PLAIN", "CLEARTEXT", "CLEAR", "PLAIN-TRUNC": throw .readablePassword
    default: throw .unknownScheme(String(upper.prefix(32)))
    }
  }

  /// Parts `{SCHEME}rest`; the scheme is nil when there is no brace in front.
  static func splitScheme(_ text: some StringProtocol) -> (scheme: String?, rest: Substring) {
    let text = Substring(text)
    guard text.first == "{", let end = text.firstIndex(of: "}") else { return (nil, text) }
    return (String(text[text.index(after: text.startIndex)..<end]), text[text.index(after: end)...])
  }

  private static func digest(_ digest: Digest, _ text: Substring, scheme: String) throws(CredentialsError) -> Form {
    guard let bytes = Base64Text.decode(text), bytes.count >= digest.size, bytes.count <= digest.size + 256 else {
      throw .malformed(scheme)
    }
    guard scheme.hasPrefix("SSHA") || bytes.count == digest.size else { throw .malformed(scheme) }
    return .digest(digest, value: Array(bytes.prefix(digest.size)), salt: Array(bytes.dropFirst(digest.size)))
  }

  /// The beginning each crypt scheme must have, so that a mislabelled hash is told at import and not at login.
  private static func checkedCrypt(_ text: Substring, scheme: String) throws(CredentialsError) -> String {
    let prefixes: [String] =
      switch scheme {
      case "MD5-CRYPT": ["$1$"]
      case "SHA256-CRYPT": ["$5$"]
      case "SHA512-CRYPT": ["$6$"]
      case "BLF-CRYPT": ["$2a$", "$2b$", "$2x$", "$2y$"]
      case "YESCRYPT": ["$y$"]
      default: []
      }
    guard prefixes.isEmpty || prefixes.contains(where: text.hasPrefix), text.utf8.count >= 13, text.utf8.count < 384,
      text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
    else { throw .malformed(scheme) }
    let setting = String(text)
    let verdict = setting.withCString { crypt_checksalt($0) }
    guard verdict != CRYPT_SALT_INVALID, verdict != CRYPT_SALT_METHOD_DISABLED else { throw .malformed(scheme) }
    return setting
  }

  /// Whether the hash was made of `password`, compared in constant time. As slow as the scheme wants to be.
  func matches(_ password: [UInt8]) -> Bool {
    switch form {
    case .crypt(let setting):
      return Self.crypt(password, setting: setting).map { ConstantTime.equal($0, Array(setting.utf8)) } ?? false
    case .digest(let digest, let value, let salt):
      return ConstantTime.equal(digest.hash(password + salt), value)
    }
  }

  /// crypt(3) in its re-entrant form. Nil when the library refuses, or when the password holds a NUL, which would cut
  /// it short.
  static func crypt(_ password: [UInt8], setting: String) -> [UInt8]? {
    guard !password.contains(0) else { return nil }
    var storage: UnsafeMutableRawPointer?
    var size: CInt = 0
    defer {
      if let storage {
        explicit_bzero(storage, Int(size))
        free(storage)
      }
    }
    let phrase = password.map { CChar(bitPattern: $0) } + [0]
    let result = phrase.withUnsafeBufferPointer { phrase in
      setting.withCString { crypt_ra(phrase.baseAddress, $0, &storage, &size) }
    }
    guard let result else { return nil }
    let length = strlen(result)
    // crypt(3) answers a failure by "*0" or "*1".
    guard length > 2, UInt8(bitPattern: result[0]) != 0x2A else { return nil }
    return (0..<length).map { UInt8(bitPattern: result[$0]) }
  }
}
