public import NIOCore

/// What a client has to do next.
public enum SASLClientAction: Sendable, Hashable {
  /// Send this, in base64. May be empty.
  case respond(ByteBuffer)
  /// Nothing more can come from the server but its verdict; anything else it sends is an error.
  case failed(SASLFailure)
}

/// One authentication exchange, client side.
///
/// `initialResponse`, sent along with the command where the protocol allows it or as the answer to the empty challenge
/// where not; then one `step` for each challenge. When the server reports success, `isServerProven` must be asked: for
/// SCRAM a server that never proved that it knows the account's keys is an impostor (RFC 5802 §5).
public struct SASLClientExchange: Sendable {
  private enum State: Sendable {
    case fresh
    case wantsLoginPassword
    case wantsServerFirst(gs2Header: String, bare: String, nonce: String)
    case wantsServerFinal(signature: [UInt8])
    case proven
    case failed
  }

  public let mechanism: SASLMechanism
  private let username: String
  private let authorization: String
  private let password: [UInt8]
  private let nonce: String
  private let leastIterations: Int
  private var state = State.fresh

  /// - Parameters:
  ///   - authorization: whom to act as; empty for oneself.
  ///   - leastIterations: a server that asks for fewer PBKDF2 rounds is refused (RFC 7677 §3 has 4096).
  ///   - nonce: for tests; random if nil.
  public init(
    mechanism: SASLMechanism, username: String, authorization: String = "", password: [UInt8],
    leastIterations: Int = 4096, nonce: String? = nil
  ) {
    self.mechanism = mechanism
    self.username = username
    self.authorization = authorization
    self.password = password
    self.leastIterations = leastIterations
    self.nonce = nonce ?? Base64Text.encode(.random(18))
  }

  /// The server has shown that it is the right one, or the mechanism has no means to.
  public var isServerProven: Bool {
    if case .proven = state { return true }
    return mechanism.scramHash == nil
  }

  /// The client's first message, nil where the server speaks first (LOGIN). To be called once, first of all.
  public mutating func initialResponse() -> ByteBuffer? {
    guard case .fresh = state else { return nil }
    switch mechanism {
    case .login: return nil
    case .plain:
      state = .proven
      return ByteBuffer(bytes: Array(authorization.utf8) + [0] + Array(username.utf8) + [0] + password)
    case .scramSHA1, .scramSHA256:
      let header = authorization.isEmpty ? "n,," : "n,a=\(SCRAMText.encodeName(authorization)),"
      // RFC 5802 §5.1: the name SHOULD be prepared; one that can't be goes as it is, and the server will say no.
      let name = SASLprep.prepare(username) ?? username
      let bare = "n=\(SCRAMText.encodeName(name)),r=\(nonce)"
      state = .wantsServerFirst(gs2Header: header, bare: bare, nonce: nonce)
      return ByteBuffer(string: header + bare)
    }
  }

  /// Takes a challenge, base64 taken off.
  public mutating func step(_ challenge: ByteBuffer) -> SASLClientAction {
    switch state {
    case .fresh where mechanism == .login:
      state = .wantsLoginPassword
      return .respond(ByteBuffer(string: username))
    case .wantsLoginPassword:
      state = .proven
      return .respond(ByteBuffer(bytes: password))
    case .wantsServerFirst(let header, let bare, let nonce):
      switch answer(Array(buffer: challenge), header: header, bare: bare, nonce: nonce) {
      case .success(let (message, signature)):
        state = .wantsServerFinal(signature: signature)
        return .respond(ByteBuffer(string: message))
      case .failure(let why):
        state = .failed
        return .failed(why)
      }
    case .wantsServerFinal(let signature):
      guard finish(challenge, signature: signature) else {
        state = .failed
        return .failed(.wrongCredentials)
      }
      return .respond(ByteBuffer())
    case .fresh, .proven, .failed:
      state = .failed
      return .failed(.outOfOrder)
    }
  }

  /// Takes data that came along with the server's success. False when they don't prove the server.
  public mutating func finish(_ finalData: ByteBuffer) -> Bool {
    guard case .wantsServerFinal(let signature) = state else { return false }
    return finish(finalData, signature: signature)
  }

  private mutating func finish(_ finalData: ByteBuffer, signature: [UInt8]) -> Bool {
    let fields = Array(buffer: finalData).split(separator: UInt8(ascii: ","))
    guard let first = fields.first, let text = SCRAMText.value(first, of: "v"),
      let shown = Base64Text.decode(Array(text)), ConstantTime.equal(shown, signature)
    else {
      state = .failed
      return false
    }
    state = .proven
    return true
  }

  /// client-final-message, and the signature the server will have to show.
  private func answer(
    _ serverFirst: [UInt8], header: String, bare: String, nonce: String
  ) -> Result<(String, [UInt8]), SASLFailure> {
    let fields = serverFirst.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
    guard let hash = mechanism.scramHash, fields.count >= 3, let full = SCRAMText.value(fields[0], of: "r"),
      SCRAMText.isNonce(full), let saltText = SCRAMText.value(fields[1], of: "s"),
      let salt = Base64Text.decode(Array(saltText)), let count = SCRAMText.value(fields[2], of: "i"),
      let iterations = Int(String(decoding: count, as: UTF8.self))
    else { return .failure(.malformed("SCRAM server-first-message")) }
    // RFC 5802 §5.1: the nonce MUST begin with the client's own.
    guard full.starts(with: nonce.utf8), full.count > nonce.utf8.count else {
      return .failure(.malformed("SCRAM nonce is not ours"))
    }
    guard (leastIterations...SASLLimits.mostIterations).contains(iterations) else {
      return .failure(.malformed("SCRAM iteration count \(iterations)"))
    }
    guard let prepared = SASLprep.prepare(password), !prepared.isEmpty else { return .failure(.unsuitableName) }
    guard let salted = hash.saltedPassword(prepared, salt: salt, iterations: iterations) else {
      return .failure(.malformed("SCRAM key derivation"))
    }
    let keys = SCRAMKeys(hash: hash, saltedPassword: salted, salt: salt, iterations: iterations)
    let withoutProof =
      "c=\(Base64Text.encode(Array(header.utf8))),r=\(String(decoding: full, as: UTF8.self))"
    let comma = UInt8(ascii: ",")
    let authMessage = Array(bare.utf8) + [comma] + serverFirst + [comma] + Array(withoutProof.utf8)
    let clientKey = hash.hmac(key: salted, Array("Client Key".utf8))
    let clientSignature = hash.hmac(key: keys.storedKey, authMessage)
    let proof = zip(clientKey, clientSignature).map { $0 ^ $1 }
    return .success(
      ("\(withoutProof),p=\(Base64Text.encode(proof))", hash.hmac(key: keys.serverKey, authMessage)))
  }
}
