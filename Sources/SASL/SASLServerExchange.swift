import Bytes
public import NIOCore

/// One authentication exchange, server side: bytes in, actions out, no I/O and no waiting.
///
/// `start`, then for each `.challenge` one `step`, for `.needCredentials` one `resume(with:)`. A client's `*` (cancel)
/// and base64 are the protocol's affair.
///
/// An authorization identity may be left out or repeat the authentication identity; anything else is
/// `.failed(.authorizationFailed)`: nobody may act as somebody else.
public struct SASLServerExchange: Sendable {
  private enum State: Sendable {
    case fresh
    case wantsPlain
    case wantsLoginName
    case wantsLoginPassword(username: String)
    case wantsClientFirst
    case wantsCredentials(SCRAMClientFirst)
    case wantsClientFinal(SCRAMServerProof)
    /// The server's signature went out as a challenge; an empty response ends it.
    case wantsEmpty(username: String, authorization: String)
    case over
  }

  public let mechanism: SASLMechanism
  private let sendsFinalData: Bool
  private let decoy: SCRAMDecoy
  private let serverNonce: String
  private var state = State.fresh

  /// - Parameters:
  ///   - sendsFinalData: the protocol can carry data with its success reply. IMAP and POP3 cannot (RFC 5034 §4): the
  ///     server's signature then goes out as one more challenge, which the client answers by nothing.
  ///   - decoy: what unknown names are answered with.
  ///   - serverNonce: for tests; random if nil.
  public init(
    mechanism: SASLMechanism, sendsFinalData: Bool = false, decoy: SCRAMDecoy = .shared, serverNonce: String? = nil
  ) {
    self.mechanism = mechanism
    self.sendsFinalData = sendsFinalData
    self.decoy = decoy
    self.serverNonce = serverNonce ?? Base64Text.encode(.random(18))
  }

  /// Begins. `initialResponse` is nil when the client sent none, empty when it sent an empty one ("=").
  public mutating func start(initialResponse: ByteBuffer?) -> SASLAction {
    guard case .fresh = state else { return fail(.outOfOrder) }
    switch mechanism {
    case .plain: state = .wantsPlain
    case .login: state = .wantsLoginName
    case .scramSHA1, .scramSHA256: state = .wantsClientFirst
    }
    if let initialResponse { return step(initialResponse) }
    // RFC 4422 §3: a mechanism that begins with the client gets an empty challenge.
    return .challenge(mechanism == .login ? ByteBuffer(string: "Username:") : ByteBuffer())
  }

  /// Takes the client's response, base64 taken off.
  public mutating func step(_ response: ByteBuffer) -> SASLAction {
    guard response.readableBytes <= SASLLimits.message else { return fail(.malformed("message too long")) }
    let bytes = Array(buffer: response)
    switch state {
    case .wantsPlain: return plain(bytes)
    case .wantsLoginName:
      guard let username = SASLprep.name(bytes) else { return fail(.unsuitableName) }
      state = .wantsLoginPassword(username: username)
      return .challenge(ByteBuffer(string: "Password:"))
    case .wantsLoginPassword(let username):
      guard !bytes.isEmpty, bytes.count <= SASLLimits.password, !bytes.contains(0) else {
        return fail(.malformed("password is empty, too long or contains NUL"))
      }
      state = .over
      return .verify(SASLRequest(username: username, password: bytes))
    case .wantsClientFirst: return clientFirst(bytes)
    case .wantsClientFinal(let proof): return clientFinal(bytes, proof)
    case .wantsEmpty(let username, let authorization):
      guard bytes.isEmpty else { return fail(.malformed("nothing was expected after the server's signature")) }
      state = .over
      return .succeeded(username: username, authorization: authorization, finalData: nil)
    case .fresh, .wantsCredentials, .over: return fail(.outOfOrder)
    }
  }

  /// Goes on after `.needCredentials`. Without keys for this mechanism (no such account, or an imported hash) the
  /// exchange runs to its end against invented ones, and fails there.
  public mutating func resume(with credentials: Credentials?) -> SASLAction {
    guard case .wantsCredentials(let first) = state, let hash = mechanism.scramHash else { return fail(.outOfOrder) }
    let keys = credentials?.keys(for: hash)
    // Made for every name: an unknown one takes no longer.
    let invented = decoy.keys(for: first.username, hash: hash)
    let proof = SCRAMServerProof(
      first: first, keys: keys ?? invented, isReal: keys != nil, serverNonce: serverNonce)
    state = .wantsClientFinal(proof)
    return .challenge(ByteBuffer(bytes: proof.serverFirst))
  }

  private mutating func fail(_ why: SASLFailure) -> SASLAction {
    state = .over
    return .failed(why)
  }

  private mutating func plain(_ bytes: [UInt8]) -> SASLAction {
    // RFC 4616 §2: [authzid] NUL authcid NUL passwd
    let parts = bytes.split(separator: 0, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[1].isEmpty, !parts[2].isEmpty else {
      return fail(.malformed("PLAIN takes [authzid] NUL authcid NUL password"))
    }
    guard parts[2].count <= SASLLimits.password else { return fail(.malformed("password too long")) }
    guard let username = SASLprep.name(Array(parts[1])) else { return fail(.unsuitableName) }
    var authorization = ""
    if !parts[0].isEmpty {
      guard let name = SASLprep.name(Array(parts[0])) else { return fail(.unsuitableName) }
      authorization = name
    }
    guard Self.mayAct(username, as: authorization) else { return fail(.authorizationFailed) }
    state = .over
    return .verify(SASLRequest(username: username, authorization: authorization, password: Array(parts[2])))
  }

  private mutating func clientFirst(_ bytes: [UInt8]) -> SASLAction {
    switch SCRAMClientFirst.parse(bytes) {
    case .failure(let why): return fail(why)
    case .success(let first):
      guard Self.mayAct(first.username, as: first.authorization) else { return fail(.authorizationFailed) }
      state = .wantsCredentials(first)
      return .needCredentials(username: first.username)
    }
  }

  private mutating func clientFinal(_ bytes: [UInt8], _ proof: SCRAMServerProof) -> SASLAction {
    switch proof.check(bytes) {
    case .failure(let why): return fail(why)
    case .success(let signature):
      let (username, authorization) = (proof.first.username, proof.first.authorization)
      guard sendsFinalData else {
        // RFC 4422 §3.6
        state = .wantsEmpty(username: username, authorization: authorization)
        return .challenge(ByteBuffer(bytes: signature))
      }
      state = .over
      return .succeeded(username: username, authorization: authorization, finalData: ByteBuffer(bytes: signature))
    }
  }

  /// Account names are kept with ASCII letters in lower case, so case makes no other person.
  private static func mayAct(_ username: String, as authorization: String) -> Bool {
    authorization.isEmpty
      || username.utf8.map(\.asciiLowercased) == authorization.utf8.map(\.asciiLowercased)
  }
}
