public import MailNet
public import NIOCore
public import NIOPosix

/// Where mail goes, as written after `--to`: `maildir:DIR`, `mbox:FILE`, `lmtp:ADDR`, `mda:COMMAND`, `store:DATA/ACCOUNT`.
public enum PullDestination: Sendable, Hashable, CustomStringConvertible {
  case maildir(String)
  case mbox(String)
  case lmtp(ClientAddress)
  case mda(String)
  case store(data: String, account: String)

  /// - home: what `~/` stands for.
  /// - folder: what other relative paths are relative to; nil leaves them as they are.
  public init(_ text: String, home: String?, folder: String? = nil) throws(PullError) {
    func wrong(_ why: String) -> PullError { PullError(.impossible("'\(text)': \(why)"), account: "") }
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, !parts[1].isEmpty else {
      throw wrong("write maildir:DIR, mbox:FILE, lmtp:ADDR, mda:COMMAND or store:DATA/ACCOUNT")
    }
    let rest = parts[1]
    switch parts[0] {
    case "maildir": self = .maildir(Self.path(rest, home: home, folder: folder))
    case "mbox": self = .mbox(Self.path(rest, home: home, folder: folder))
    case "mda": self = .mda(rest)
    case "lmtp":
      guard let address = Self.address(rest) else { throw wrong("write lmtp:HOST:PORT or lmtp:unix:PATH") }
      self = .lmtp(address)
    case "store":
      guard let slash = rest.lastIndex(of: "/"), slash != rest.startIndex, rest.index(after: slash) != rest.endIndex
      else {
        throw wrong("write store:DATA/ACCOUNT")
      }
      self = .store(
        data: Self.path(String(rest[..<slash]), home: home, folder: folder),
        account: String(rest[rest.index(after: slash)...]))
    default: throw wrong("'\(parts[0])' is no kind of target: maildir, mbox, lmtp, mda or store")
    }
  }

  public var description: String {
    switch self {
    case .maildir(let path): "maildir:\(path)"
    case .mbox(let path): "mbox:\(path)"
    case .lmtp(.unix(let path)): "lmtp:unix:\(path)"
    case .lmtp(let address): "lmtp:\(address)"
    case .mda(let command): "mda:\(command)"
    case .store(let data, let account): "store:\(data)/\(account)"
    }
  }

  /// One way to write each path: journals go by it. `..` stays, as what stands before it may be a link.
  static func path(_ text: String, home: String?, folder: String? = nil) -> String {
    var path = text
    if let home, path == "~" || path.hasPrefix("~/") { path = home + path.dropFirst() }
    if let folder, !path.hasPrefix("/") { path = "\(folder)/\(path)" }
    let isAbsolute = path.hasPrefix("/")
    let parts = path.split(separator: "/").filter { $0 != "." }
    if parts.isEmpty { return isAbsolute ? "/" : "." }
    return (isAbsolute ? "/" : "") + parts.joined(separator: "/")
  }

  private static func address(_ text: String) -> ClientAddress? {
    if text.hasPrefix("unix:") { return text.count > 5 ? .unix(path: String(text.dropFirst(5))) : nil }
    if text.hasPrefix("/") { return .unix(path: text) }
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (1...65_535).contains(port)
    else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("["), host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
    } else if host.contains(":") {
      return nil
    }
    return host.isEmpty ? nil : .host(host, port: port)
  }
}

/// What targets are made with.
public struct PullContext: Sendable {
  /// For journals and spooled messages; for example `~/.local/state/merpati/pull`.
  public var stateFolder: String
  public var threads: NIOThreadPool
  public var group: any EventLoopGroup
  /// Opens an account of a Merpati store; its arguments are those of `store:DATA/ACCOUNT`.
  public var openStore: @Sendable (_ data: String, _ account: String) async throws -> any StoreDoor

  /// Variables of the environment that hold passwords of some account: no command sees them.
  public var hiddenVariables: Set<String>

  public init(
    stateFolder: String, threads: NIOThreadPool, group: any EventLoopGroup, hiddenVariables: Set<String> = [],
    openStore: @escaping @Sendable (_ data: String, _ account: String) async throws -> any StoreDoor
  ) {
    self.stateFolder = stateFolder
    self.threads = threads
    self.group = group
    self.hiddenVariables = hiddenVariables
    self.openStore = openStore
  }

  /// - Parameters:
  ///   - recipient: for LMTP.
  ///   - journalName: of the account (`PullAccount.journalName`).
  public func target(
    _ destination: PullDestination, recipient: String, journalName: String
  ) async throws -> any PullTarget {
    switch destination {
    case .maildir(let path):
      MaildirTarget(
        directory: path, owner: JournalName.of(journalName, destination.description), threads: threads)
    case .mbox(let path):
      MboxTarget(path: path, owner: journalName, spoolFolder: stateFolder, threads: threads)
    case .mda(let command):
      PipeTarget(
        command: command, hiding: hiddenVariables, spoolFolder: stateFolder, threads: threads)
    case .lmtp(let address):
      // LMTP is spoken inside a machine or a house (RFC 2033 §5); no password crosses it.
      LMTPTarget(
        address: address, recipient: recipient,
        security: TransportSecurity(encryption: .none, trust: .system, allowsCleartextLogin: false), group: group,
        spoolFolder: stateFolder, threads: threads)
    case .store(let data, let account):
      StoreTarget(
        name: destination.description, door: try await openStore(data, account), spoolFolder: stateFolder,
        threads: threads)
    }
  }
}
