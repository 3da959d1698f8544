import Crypto
public import NIOCore

/// Tokens of URLAUTH's mechanism INTERNAL (RFC 4467 §2.4.1): what the algorithm is, then HMAC-SHA-256 of the URL without its
/// token under the mailbox's access key; in hexadecimal.
public enum AccessToken {
  /// Octets of a key: as many bits as the digest has.
  public static let keyOctets = 32
  /// RFC 4467 §2.4.1: a means of telling the algorithm.
  private static let algorithm = "01"

  /// A key that nobody can guess.
  public static func newKey() -> [UInt8] {
    SymmetricKey(size: .init(bitCount: keyOctets * 8)).withUnsafeBytes { Array($0) }
  }

  public static func make(of rump: ByteBuffer, key: [UInt8]) -> String {
    let code = HMAC<SHA256>.authenticationCode(for: Array(rump.readableBytesView), using: SymmetricKey(data: key))
    let digits = Array("0123456789abcdef".utf8)
    var hex = Array(algorithm.utf8)
    for byte in code { hex += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: hex, as: UTF8.self)
  }

  /// Compares in constant time; letters of either case.
  public static func isValid(_ token: String, of rump: ByteBuffer, key: [UInt8]) -> Bool {
    // Reckoned whatever the token is: how long it takes tells nothing.
    let expected = make(of: rump, key: key)
    let given = Array(token.lowercased().utf8)
    let wanted = Array(expected.utf8)
    guard given.count == wanted.count else { return false }
    var difference: UInt8 = 0
    for (left, right) in zip(given, wanted) { difference |= left ^ right }
    return difference == 0
  }
}
