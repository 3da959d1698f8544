import Bytes

/// The keyword of a command. `UID FETCH` has the name `fetch`; its payload says `uid`.
public enum CommandName: UInt8, Hashable, Sendable, CaseIterable {
  case append, authenticate, cancelUpdate, capability, check, close, comparator, compress, copy, create, delete
  case deleteACL, enable, esearch, examine, expunge, fetch, genURLAuth, getACL, getMetadata, getQuota, getQuotaRoot, id
  case idle, language, list, listRights, login, logout, lsub, move, myRights, namespace, noop, notify, rename, replace
  case resetKey, search, select, setACL, setMetadata, setQuota, sort, startTLS, status, store, subscribe, thread, uid
  case unauthenticate, unselect, unsubscribe, urlFetch

  /// As it is written, in upper case.
  public var keyword: StaticString { Self.spellings[Int(rawValue)] }

  private static let spellings: [StaticString] = [
    "APPEND", "AUTHENTICATE", "CANCELUPDATE", "CAPABILITY", "CHECK", "CLOSE", "COMPARATOR", "COMPRESS", "COPY",
    "CREATE", "DELETE", "DELETEACL", "ENABLE", "ESEARCH", "EXAMINE", "EXPUNGE", "FETCH", "GENURLAUTH", "GETACL",
    "GETMETADATA", "GETQUOTA", "GETQUOTAROOT", "ID", "IDLE", "LANGUAGE", "LIST", "LISTRIGHTS", "LOGIN", "LOGOUT",
    "LSUB", "MOVE", "MYRIGHTS", "NAMESPACE", "NOOP", "NOTIFY", "RENAME", "REPLACE", "RESETKEY", "SEARCH", "SELECT",
    "SETACL", "SETMETADATA", "SETQUOTA", "SORT", "STARTTLS", "STATUS", "STORE", "SUBSCRIBE", "THREAD", "UID",
    "UNAUTHENTICATE", "UNSELECT", "UNSUBSCRIBE", "URLFETCH",
  ]

  static let table = KeywordTable<CommandName>(allCases.map { ($0.keyword, $0) })
}

extension Command {
  /// The row of a command table this command belongs to.
  public var name: CommandName {
    switch self {
    case .capability: .capability
    case .noop: .noop
    case .logout: .logout
    case .id: .id
    case .startTLS: .startTLS
    case .authenticate: .authenticate
    case .login: .login
    case .enable: .enable
    case .compress: .compress
    case .unauthenticate: .unauthenticate
    case .select(let select): select.readOnly ? .examine : .select
    case .create: .create
    case .delete: .delete
    case .rename: .rename
    case .subscribe: .subscribe
    case .unsubscribe: .unsubscribe
    case .list: .list
    case .lsub: .lsub
    case .namespace: .namespace
    case .comparator: .comparator
    case .language: .language
    case .status: .status
    case .append: .append
    case .idle: .idle
    case .notify: .notify
    case .getMetadata: .getMetadata
    case .setMetadata: .setMetadata
    case .setACL: .setACL
    case .deleteACL: .deleteACL
    case .getACL: .getACL
    case .listRights: .listRights
    case .myRights: .myRights
    case .resetKey: .resetKey
    case .genURLAuth: .genURLAuth
    case .urlFetch: .urlFetch
    case .getQuota: .getQuota
    case .getQuotaRoot: .getQuotaRoot
    case .setQuota: .setQuota
    case .close: .close
    case .unselect: .unselect
    case .check: .check
    case .expunge: .expunge
    case .search: .search
    case .sort: .sort
    case .cancelUpdate: .cancelUpdate
    case .esearch: .esearch
    case .thread: .thread
    case .fetch: .fetch
    case .store: .store
    case .copy: .copy
    case .move: .move
    case .replace: .replace
    }
  }

  /// True for the `UID` form of a command.
  public var isUID: Bool {
    switch self {
    case .expunge(let command): command.uids != nil
    case .search(let command): command.uid
    case .sort(let command): command.uid
    case .thread(let command): command.uid
    case .fetch(let command): command.uid
    case .store(let command): command.uid
    case .copy(let command): command.uid
    case .move(let command): command.uid
    case .replace(let command): command.replaces?.uid == true
    default: false
    }
  }

  /// It means messages by their numbers, or would be answered by such (RFC 9586 §3.2).
  public var hasSequenceNumbers: Bool {
    switch self {
    case .search(let command): !command.uid || command.key.hasSequenceNumbers
    case .sort(let command): !command.uid || command.key.hasSequenceNumbers
    case .thread(let command): !command.uid || command.key.hasSequenceNumbers
    case .esearch(let command): command.search.key.hasSequenceNumbers
    case .fetch, .store, .copy, .move: !isUID
    // RFC 9586 §3.7
    case .select(let command): command.resync?.match != nil
    default: false
    }
  }
}
