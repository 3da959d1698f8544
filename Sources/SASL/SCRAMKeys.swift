import Bytes

/// What a server keeps of a password for one SCRAM mechanism (RFC 5802 §3): enough to check a proof, not enough to log
/// in elsewhere.
public struct SCRAMKeys: Sendable, Hashable {
  public let hash: SCRAMHash
  public let salt: [UInt8]
  public let iterations: Int
  public let storedKey: [UInt8]
  public let serverKey: [UInt8]

  public init(hash: SCRAMHash, salt: [UInt8], iterations: Int, storedKey: [UInt8], serverKey: [UInt8]) {
    self.hash = hash
    self.salt = salt
    self.iterations = iterations
    self.storedKey = storedKey
    self.serverKey = serverKey
  }

  /// Derives the keys. `password` must have been prepared (`SASLprep`). Costs `iterations` rounds of PBKDF2.
  public init?(hash: SCRAMHash, preparedPassword password: [UInt8], salt: [UInt8], iterations: Int) {
    guard let salted = hash.saltedPassword(password, salt: salt, iterations: iterations) else { return nil }
    self.init(hash: hash, saltedPassword: salted, salt: salt, iterations: iterations)
  }

  init(hash: SCRAMHash, saltedPassword: [UInt8], salt: [UInt8], iterations: Int) {
    // RFC 5802 §3
    let clientKey = hash.hmac(key: saltedPassword, Array("Client Key".utf8))
    self.init(
      hash: hash, salt: salt, iterations: iterations, storedKey: hash.hash(clientKey),
      serverKey: hash.hmac(key: saltedPassword, Array("Server Key".utf8)))
  }

  /// Reads `iterations,salt,stored key,server key`, the last three in base64.
  public init?(hash: SCRAMHash, text: some StringProtocol) {
    let fields = text.split(separator: ",", omittingEmptySubsequences: false)
    guard fields.count == 4, let iterations = Int(fields[0]),
      (SASLLimits.leastIterations...SASLLimits.mostIterations).contains(iterations),
      let salt = Base64Text.decode(fields[1]), !salt.isEmpty, salt.count <= 256,
      let stored = Base64Text.decode(fields[2]), stored.count == hash.size,
      let server = Base64Text.decode(fields[3]), server.count == hash.size
    else { return nil }
    self.init(hash: hash, salt: salt, iterations: iterations, storedKey: stored, serverKey: server)
  }

  /// `{SCRAM-SHA-256}iterations,salt,stored key,server key`
  public var text: String {
    "{\(hash.scheme)}\(iterations),\(Base64Text.encode(salt)),\(Base64Text.encode(storedKey)),"
      + Base64Text.encode(serverKey)
  }

  /// Whether `password`, which must have been prepared, is the one the keys were made of. Costs `iterations` rounds.
  public func matches(preparedPassword password: [UInt8]) -> Bool {
    guard let tried = SCRAMKeys(hash: hash, preparedPassword: password, salt: salt, iterations: iterations) else {
      return false
    }
    return ConstantTime.equal(tried.storedKey, storedKey)
  }
}
