/// A command and the tag its completion carries.
public struct TaggedCommand: Hashable, Sendable {
  public var tag: String
  public var command: Command
  public init(tag: String, _ command: Command) {
    self.tag = tag
    self.command = command
  }
}

/// Everything a client can ask (RFC 9051 §6, RFC 3501 §6 and the extensions named at each payload). The grammar of each
/// stands in `Messages/`.
public enum Command: Hashable, Sendable {
  // Any state
  case capability
  case noop
  case logout
  case id(IDCommand)
  case language(LanguageCommand)

  // Not authenticated
  case startTLS
  case authenticate(AuthenticateCommand)
  case login(LoginCommand)

  // Authenticated
  case enable(EnableCommand)
  case compress(CompressCommand)
  /// RFC 8437 §3.
  case unauthenticate
  /// SELECT and EXAMINE.
  case select(SelectCommand)
  case create(CreateCommand)
  case delete(MailboxName)
  case rename(RenameCommand)
  case subscribe(MailboxName)
  case unsubscribe(MailboxName)
  case list(ListCommand)
  case lsub(LsubCommand)
  case namespace
  case comparator(ComparatorCommand)
  case status(StatusCommand)
  /// Only printed, and parsed from a frame that holds its messages. A server's framer hands APPEND over piece by piece:
  /// see `FramerEvent.appendMessage`.
  case append(AppendCommand)
  case idle
  case notify(NotifyCommand)
  case getMetadata(GetMetadataCommand)
  case setMetadata(SetMetadataCommand)
  case setACL(SetACLCommand)
  case deleteACL(AccessCommand)
  case getACL(MailboxName)
  case listRights(AccessCommand)
  case myRights(MailboxName)
  case resetKey(ResetKeyCommand)
  case genURLAuth(GenURLAuthCommand)
  case urlFetch(URLFetchCommand)
  case getQuota(GetQuotaCommand)
  case getQuotaRoot(MailboxName)
  case setQuota(SetQuotaCommand)

  // Selected
  case close
  case unselect
  /// CHECK, of RFC 3501.
  case check
  case expunge(ExpungeCommand)
  case search(SearchCommand)
  case sort(SortCommand)
  /// Also with no mailbox selected, if it does not search there.
  case esearch(ESearchCommand)
  case cancelUpdate(CancelUpdateCommand)
  case thread(ThreadCommand)
  case fetch(FetchCommand)
  case store(StoreCommand)
  case copy(CopyCommand)
  case move(MoveCommand)
  /// REPLACE; as `append`.
  case replace(AppendCommand)
}
