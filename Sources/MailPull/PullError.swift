import LocalMail
public import MailNet

/// Why a pull stopped. Says whose account, and what to do next; never holds a secret.
public struct PullError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    /// Another run works on the account; its process, where the lock tells.
    case inUse(process: String?)
    /// The journal can't be read or written.
    case journal(path: String, String)
    /// No space, at the target or for the journal.
    case noSpace(path: String)
    /// The target does not take mail now.
    case target(String, String)
    /// The same, and it may pass.
    case targetUnavailable(String, String)
    case server(ClientError)
    /// The target is not the place that mail of the account came home to.
    case placeLost(String, journal: String, messages: Int)
    /// What was asked for can't be done.
    case impossible(String)
    case cancelled
  }

  public var kind: Kind
  public var account: String

  public init(_ kind: Kind, account: String) {
    self.kind = kind
    self.account = account
  }

  /// Trying again may help.
  public var isTemporary: Bool {
    switch kind {
    case .server(let error): error.isTemporary
    case .targetUnavailable: true
    default: false
    }
  }

  public var description: String { account.isEmpty ? sentence : "\(account): \(sentence)" }

  private var sentence: String {
    switch kind {
    case .inUse(let process):
      "another run works on this account\(process.map { " (process \($0))" } ?? ""); wait for it, or stop it"
    case .journal(let path, let why): "the journal \(path) cannot be used: \(why)"
    case .noSpace(let path): "no space left at \(path); free some and run again, nothing is lost"
    case .target(let name, let why): "\(name) does not take the mail: \(why)"
    case .targetUnavailable(let name, let why): "\(name) does not take mail now: \(why)"
    case .server(let error): error.description
    case .placeLost(let name, let journal, let count):
      "\(name) is not the place where \(count) messages that are still on the server came home to before: is its disk "
        + "mounted? Nothing is deleted. If what was there is lost, or was taken away on purpose, remove the journal "
        + "\(journal): then they come again"
    case .impossible(let what): what
    case .cancelled: "cancelled; what came is kept, the next run goes on from there"
    }
  }

  /// Any error as one of ours, of `account`.
  static func of(_ error: any Error, account: String) -> PullError {
    switch error {
    case var error as PullError:
      if error.account.isEmpty { error.account = account }
      return error
    case let error as ClientError:
      return PullError(error.kind == .cancelled ? .cancelled : .server(error), account: account)
    case let error as LocalMailError:
      return PullError(kind(of: error), account: account)
    case is CancellationError: return PullError(.cancelled, account: account)
    default: return PullError(.target("the target", "\(error)"), account: account)
    }
  }

  private static func kind(of error: LocalMailError) -> Kind {
    switch error.kind {
    case .io(_, let code) where code == noSpaceCode || code == quotaCode: .noSpace(path: error.path)
    case .locked: .targetUnavailable(error.path, "another program holds it")
    default: .target(error.path, error.description)
    }
  }
}
