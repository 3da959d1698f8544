import Bytes
import NIOCore

extension CommandFrame {
  /// Reads the command. Errors carry the tag if there is one.
  ///
  /// A server gives the options of the moment the command is carried out, as ENABLE changes what names look like.
  public func parse(
    options: WireOptions = .rev1, limits: IMAPLimits = .standard
  ) throws(IMAPSyntaxError) -> TaggedCommand {
    var reader = CommandReader(bytes.readableBytesSpan, options: options, limits: limits)
    let tag = try reader.tag()
    do {
      let command = try reader.command()
      try reader.end()
      return TaggedCommand(tag: tag, command)
    } catch {
      throw error.tagged(tag)
    }
  }

  /// The tag, if there is a valid one.
  public var tag: String? {
    var reader = CommandReader(bytes.readableBytesSpan, options: .rev1, limits: .standard)
    return reader.tagIfValid()
  }
}

extension CommandReader {
  mutating func command() throws(IMAPSyntaxError) -> Command {
    let range = wordRange()
    guard let name = CommandName.table.value(for: bytes(range)) else {
      throw error("Unknown command", at: range.lowerBound)
    }
    return switch name {
    case .capability: .capability
    case .noop: .noop
    case .logout: .logout
    case .startTLS: .startTLS
    case .namespace: .namespace
    case .idle: .idle
    case .comparator: .comparator(try comparatorCommand())
    case .getMetadata: .getMetadata(try getMetadataCommand())
    case .setMetadata: .setMetadata(try setMetadataCommand())
    case .setACL: .setACL(try setACLCommand())
    case .deleteACL: .deleteACL(try accessCommand())
    case .getACL: .getACL(try spaceAndMailbox())
    case .listRights: .listRights(try accessCommand())
    case .myRights: .myRights(try spaceAndMailbox())
    case .esearch: .esearch(try esearchCommand())
    case .cancelUpdate: .cancelUpdate(try cancelUpdateCommand())
    case .notify: .notify(try notifyCommand())
    case .close: .close
    case .unselect: .unselect
    case .unauthenticate: .unauthenticate
    case .check: .check
    case .id: .id(try idCommand())
    case .language: .language(try languageCommand())
    case .authenticate: .authenticate(try authenticateCommand())
    case .login: .login(try loginCommand())
    case .enable: .enable(try enableCommand())
    case .compress: .compress(try compressCommand())
    case .select: .select(try selectCommand(readOnly: false))
    case .examine: .select(try selectCommand(readOnly: true))
    case .create: .create(try createCommand())
    case .delete: .delete(try spaceAndMailbox())
    case .rename: .rename(try renameCommand())
    case .subscribe: .subscribe(try spaceAndMailbox())
    case .unsubscribe: .unsubscribe(try spaceAndMailbox())
    case .list: .list(try listCommand())
    case .lsub: .lsub(try lsubCommand())
    case .status: .status(try statusCommand())
    case .append: .append(try appendCommand())
    case .resetKey: .resetKey(try resetKeyCommand())
    case .genURLAuth: .genURLAuth(try genURLAuthCommand())
    case .urlFetch: .urlFetch(try urlFetchCommand())
    case .getQuota: .getQuota(try getQuotaCommand())
    case .getQuotaRoot: .getQuotaRoot(try spaceAndMailbox())
    case .setQuota: .setQuota(try setQuotaCommand())
    case .uid: try uidCommand()
    case .expunge: .expunge(ExpungeCommand())
    case .replace: .replace(try replaceCommand(uid: false))
    case .search, .sort, .thread, .fetch, .store, .copy, .move: try messageCommand(name, uid: false)
    }
  }

  /// uid = "UID" SP (copy / move / fetch / search / sort / store / thread / replace / uid-expunge)
  private mutating func uidCommand() throws(IMAPSyntaxError) -> Command {
    try space()
    let range = wordRange()
    switch CommandName.table.value(for: bytes(range)) {
    case .expunge: return .expunge(try uidExpungeCommand())
    case .search: return try messageCommand(.search, uid: true)
    // The examples of RFC 7377 §2 have it so.
    case .esearch: return .esearch(try esearchCommand())
    case .sort: return try messageCommand(.sort, uid: true)
    case .thread: return try messageCommand(.thread, uid: true)
    case .fetch: return try messageCommand(.fetch, uid: true)
    case .store: return try messageCommand(.store, uid: true)
    case .copy: return try messageCommand(.copy, uid: true)
    case .move: return try messageCommand(.move, uid: true)
    case .replace: return .replace(try replaceCommand(uid: true))
    default: throw error("Unknown command after UID", at: range.lowerBound)
    }
  }

  private mutating func messageCommand(_ name: CommandName, uid: Bool) throws(IMAPSyntaxError) -> Command {
    switch name {
    case .search: .search(try searchCommand(uid: uid))
    case .sort: .sort(try sortCommand(uid: uid))
    case .thread: .thread(try threadCommand(uid: uid))
    case .fetch: .fetch(try fetchCommand(uid: uid))
    case .store: .store(try storeCommand(uid: uid))
    case .copy: .copy(try copyCommand(uid: uid))
    default: .move(try moveCommand(uid: uid))
    }
  }

  mutating func spaceAndMailbox() throws(IMAPSyntaxError) -> MailboxName {
    try space()
    return try mailbox()
  }
}
