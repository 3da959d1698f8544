import Bytes
import Crypto

/// What can be seen of a stored SCRAM key before a password is proven.
public struct SCRAMShape: Sendable, Hashable, Comparable {
  public let iterations: Int
  public let saltOctets: Int

  public init(_ keys: SCRAMKeys) { self.init(iterations: keys.iterations, saltOctets: keys.salt.count) }

  init(iterations: Int, saltOctets: Int) {
    self.iterations = iterations
    self.saltOctets = saltOctets
  }

  public static func < (left: SCRAMShape, right: SCRAMShape) -> Bool {
    (left.iterations, left.saltOctets) < (right.iterations, right.saltOctets)
  }
}

/// Keys for names that no account has. Salt and iteration count come from an HMAC of the name under a secret, so asking
/// twice shows the same, as it would for an account; and they are spread as those of the accounts are.
public struct SCRAMDecoy: Sendable {
  private let secret: [UInt8]
  private let iterations: Int
  private let shapes: [SCRAMHash: [(shape: SCRAMShape, accounts: Int)]]

  /// One for the process, with the iteration count that new passwords get.
  public static let shared = SCRAMDecoy()

  /// - Parameters:
  ///   - secret: random if nil. Given by those who want the salts to survive a restart.
  ///   - iterations: where no account has keys for a mechanism.
  ///   - shapes: how many accounts have keys of which shape.
  public init(
    secret: [UInt8]? = nil, iterations: Int = SASLLimits.newIterations,
    shapes: [SCRAMHash: [SCRAMShape: Int]] = [:]
  ) {
    self.secret = secret ?? .random(SASLLimits.decoySecret)
    self.iterations = iterations
    // In one order in every process: which shape a name gets must not change by a restart.
    self.shapes = shapes.mapValues { $0.filter { $0.value > 0 }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
  }

  /// The same secret beside other accounts.
  public func with(shapes: [SCRAMHash: [SCRAMShape: Int]]) -> SCRAMDecoy {
    SCRAMDecoy(secret: secret, iterations: iterations, shapes: shapes)
  }

  func keys(for username: String, hash: SCRAMHash) -> SCRAMKeys {
    // As the store compares names: ASCII letters in lower case, everything else as it is.
    let name = username.utf8.map(\.asciiLowercased)
    let shape = shape(name, hash)
    let label = Array("\(hash.scheme) \(shape.iterations) ".utf8) + name
    var salt: [UInt8] = []
    var block: UInt8 = 0
    while salt.count < shape.saltOctets {
      salt += SCRAMHash.sha256.hmac(key: secret, [block] + label)
      block += 1
    }
    return SCRAMKeys(
      hash: hash, salt: Array(salt.prefix(shape.saltOctets)), iterations: shape.iterations,
      storedKey: .random(hash.size), serverKey: .random(hash.size))
  }

  private func shape(_ name: [UInt8], _ hash: SCRAMHash) -> SCRAMShape {
    let shapes = shapes[hash] ?? []
    let total = shapes.reduce(0) { $0 + $1.accounts }
    // Computed also where there is nothing to choose.
    let number = SCRAMHash.sha256.hmac(key: secret, Array("shape ".utf8) + name).prefix(8)
      .reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard total > 0 else { return SCRAMShape(iterations: iterations, saltOctets: SASLLimits.newSalt) }
    var rest = Int(number % UInt64(total))
    for (shape, accounts) in shapes {
      if rest < accounts { return shape }
      rest -= accounts
    }
    return SCRAMShape(iterations: iterations, saltOctets: SASLLimits.newSalt)
  }
}

/// client-first-message (RFC 5802 §7)
struct SCRAMClientFirst: Sendable {
  /// `n,,` and the like, as received: it comes back in `c=`.
  let gs2Header: [UInt8]
  /// client-first-message-bare, as received: it is part of what is signed.
  let bare: [UInt8]
  let username: String
  let authorization: String
  let nonce: [UInt8]

  static func parse(_ bytes: [UInt8]) -> Result<SCRAMClientFirst, SASLFailure> {
    let fields = bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard fields.count >= 4 else { return .failure(.malformed("SCRAM client-first-message has too few attributes")) }
    switch fields[0].first {
    // RFC 5802 §6: "y" would be a downgrade only if this server did announce a -PLUS mechanism.
    case UInt8(ascii: "n"), UInt8(ascii: "y"):
      guard fields[0].count == 1 else { return .failure(.malformed("SCRAM channel binding flag")) }
    case UInt8(ascii: "p"): return .failure(.channelBinding)  // RFC 5802 §6
    default: return .failure(.malformed("SCRAM message begins with none of n, y, p"))  // RFC 5802 §5
    }
    var authorization = ""
    if !fields[1].isEmpty {
      guard let raw = SCRAMText.value(fields[1], of: "a"), let name = SCRAMText.decodeName(raw) else {
        return .failure(.malformed("SCRAM authorization identity"))
      }
      guard let prepared = SASLprep.name(name) else { return .failure(.unsuitableName) }
      authorization = prepared
    }
    // RFC 5802 §5.1: a mandatory extension ("m=") makes the exchange fail; it isn't "n=" either.
    guard let rawName = SCRAMText.value(fields[2], of: "n"), let name = SCRAMText.decodeName(rawName) else {
      return .failure(.malformed("SCRAM user name"))
    }
    guard let username = SASLprep.name(name) else { return .failure(.unsuitableName) }
    guard let nonce = SCRAMText.value(fields[3], of: "r"), SCRAMText.isNonce(nonce),
      nonce.count <= SASLLimits.nonce
    else { return .failure(.malformed("SCRAM nonce")) }
    guard fields[4...].allSatisfy(SCRAMText.isExtension) else { return .failure(.malformed("SCRAM extension")) }
    let headerLength = fields[0].count + 1 + fields[1].count + 1
    return .success(
      SCRAMClientFirst(
        gs2Header: Array(bytes[..<headerLength]), bare: Array(bytes[headerLength...]), username: username,
        authorization: authorization, nonce: Array(nonce)))
  }
}

/// The second half of an exchange: what was promised to the client and what it has to prove.
struct SCRAMServerProof: Sendable {
  let first: SCRAMClientFirst
  let keys: SCRAMKeys
  /// False for invented keys: no proof is good enough then.
  let isReal: Bool
  let nonce: [UInt8]
  /// server-first-message
  let serverFirst: [UInt8]

  init(first: SCRAMClientFirst, keys: SCRAMKeys, isReal: Bool, serverNonce: String) {
    self.first = first
    self.keys = keys
    self.isReal = isReal
    self.nonce = first.nonce + Array(serverNonce.utf8)
    self.serverFirst =
      Array("r=".utf8) + nonce + Array(",s=\(Base64Text.encode(keys.salt)),i=\(keys.iterations)".utf8)
  }

  /// Checks the client-final-message; answers the server-final-message.
  func check(_ bytes: [UInt8]) -> Result<[UInt8], SASLFailure> {
    let fields = bytes.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard fields.count >= 3, let last = fields.last, let binding = SCRAMText.value(fields[0], of: "c"),
      let bound = Base64Text.decode(Array(binding)), let echoed = SCRAMText.value(fields[1], of: "r"),
      fields[2..<(fields.count - 1)].allSatisfy(SCRAMText.isExtension),
      let proofText = SCRAMText.value(last, of: "p"), let proof = Base64Text.decode(Array(proofText))
    else { return .failure(.malformed("SCRAM client-final-message")) }
    // RFC 5802 §6: the server MUST always validate "c=".
    guard ConstantTime.equal(bound, first.gs2Header) else { return .failure(.channelBinding) }
    // RFC 5802 §5.1: the nonce MUST be the one sent.
    guard ConstantTime.equal(Array(echoed), nonce) else { return .failure(.malformed("SCRAM nonce has changed")) }

    let withoutProof = bytes[..<(bytes.count - last.count - 1)]
    let comma = UInt8(ascii: ",")
    let authMessage = first.bare + [comma] + serverFirst + [comma] + Array(withoutProof)
    let signature = keys.hash.hmac(key: keys.storedKey, authMessage)
    // Lengths are not a secret: they are those of the hash.
    guard proof.count == signature.count else { return .failure(.wrongCredentials) }
    let clientKey = zip(proof, signature).map { $0 ^ $1 }
    // Both are always computed: an unknown name costs what a known one costs.
    let isRight = ConstantTime.equal(keys.hash.hash(clientKey), keys.storedKey)
    let serverSignature = keys.hash.hmac(key: keys.serverKey, authMessage)
    guard isRight, isReal else { return .failure(.wrongCredentials) }
    return .success(Array("v=\(Base64Text.encode(serverSignature))".utf8))
  }
}
