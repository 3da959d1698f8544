import Crypto
import CryptoExtras
// `[UInt8]: DataProtocol`, which the signatures of CryptoExtras ask for, lives here.
import FoundationEssentials

/// The hash functions SCRAM runs on, and the four operations of RFC 5802 §2.2 over them.
public enum SCRAMHash: Sendable, Hashable, CaseIterable {
  case sha1
  case sha256

  /// Octets of a digest.
  public var size: Int { self == .sha1 ? 20 : 32 }

  /// The scheme of stored keys: `SCRAM-SHA-1`.
  public var scheme: String { self == .sha1 ? "SCRAM-SHA-1" : "SCRAM-SHA-256" }

  /// H(bytes)
  public func hash(_ bytes: [UInt8]) -> [UInt8] {
    switch self {
    case .sha1: Array(Insecure.SHA1.hash(data: bytes))
    case .sha256: Array(SHA256.hash(data: bytes))
    }
  }

  /// HMAC(key, bytes)
  public func hmac(key: [UInt8], _ bytes: [UInt8]) -> [UInt8] {
    let key = SymmetricKey(data: key)
    return switch self {
    case .sha1: Array(HMAC<Insecure.SHA1>.authenticationCode(for: bytes, using: key))
    case .sha256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: key))
    }
  }

  /// Hi(password, salt, iterations), which is PBKDF2 with one block of output. Some milliseconds of CPU: never on an
  /// event loop. Nil only for arguments the library refuses.
  public func saltedPassword(_ password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8]? {
    guard iterations > 0, iterations <= SASLLimits.mostIterations else { return nil }
    let key = try? KDF.Insecure.PBKDF2.deriveKey(
      from: password, salt: salt, using: self == .sha1 ? .insecureSHA1 : .sha256, outputByteCount: size,
      unsafeUncheckedRounds: iterations)
    return key?.withUnsafeBytes { Array($0) }
  }
}
