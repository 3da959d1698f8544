/// Why work against a server failed. Says which server, and what to do next; never holds a secret.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    /// The name has no address, or nobody listens there.
    case cannotConnect(String)
    /// The certificate is not trusted, has another name, or no TLS was agreed on.
    case tls(String)
    /// The administrator of this machine did not allow what was asked for: a password over a line that others can read.
    case cleartextRefused
    /// Nothing was heard for as long as the limit says.
    case timedOut(waitingFor: String)
    /// The connection ended in the middle.
    case disconnected
    /// Name or password wrong, or no mechanism in common.
    case authenticationFailed(String)
    /// The password could not be had from its file, command or environment.
    case secretUnavailable(String)
    /// NO, BAD or -ERR to a command. `code` is the response code without brackets, upper case.
    case refused(command: String, code: String?, text: String)
    /// The server said something that its protocol does not allow, or beyond a limit of ours.
    case protocolViolation(String)
    /// The server lacks what was asked for.
    case unsupported(String)
    /// An address or URL that can't be read.
    case invalidAddress(String)
    case cancelled
  }

  public var kind: Kind
  /// `host:port`.
  public var server: String

  public init(_ kind: Kind, server: String) {
    self.kind = kind
    self.server = server
  }

  /// Trying again later may help; nothing about the request itself is wrong.
  public var isTemporary: Bool {
    switch kind {
    case .cannotConnect, .timedOut, .disconnected: true
    case .refused(_, let code, _):
      ["IN-USE", "INUSE", "SYS/TEMP", "LOGIN-DELAY", "UNAVAILABLE", "LIMIT"].contains(code ?? "")
        // LMTP: a reply of the 400s (RFC 5321 §4.2.1).
        || code.map { $0.utf8.count == 3 && $0.hasPrefix("4") && Int($0) != nil } ?? false
    default: false
    }
  }

  public var description: String {
    switch kind {
    case .cannotConnect(let why): "\(server): cannot connect: \(why)"
    case .tls(let why): "\(server): TLS: \(why)"
    case .cleartextRefused:
      "\(server): the password would cross the line unprotected; use TLS (imaps://, pop3s:// or --starttls), "
        + "or allow it with --allow-cleartext-login"
    case .timedOut(let what): "\(server): nothing heard for too long, waiting for \(what)"
    case .disconnected: "\(server): the server closed the connection"
    case .authenticationFailed(let why): "\(server): login failed: \(why)"
    case .secretUnavailable(let why): "\(server): no password: \(why)"
    case .refused(let command, let code, let text):
      "\(server): \(command) was refused: \(code.map { "[\($0)] " } ?? "")\(text)"
    case .protocolViolation(let what): "\(server): the server broke the protocol: \(what)"
    case .unsupported(let what): "\(server): the server does not offer \(what)"
    case .invalidAddress(let what): what
    case .cancelled: "\(server): cancelled"
    }
  }
}
