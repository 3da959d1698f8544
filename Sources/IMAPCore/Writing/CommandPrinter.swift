import Bytes
public import NIOCore

/// Writes commands as a client sends them.
public struct CommandPrinter: Sendable {
  public var buffer = ByteBuffer()
  public var options: WireOptions
  /// `{n+}` instead of `{n}`: the server announces LITERAL+, or LITERAL- and the literal is small (RFC 7888).
  public var nonSynchronizing: Bool
  /// Longest literal that goes as `{n+}`: 4096 with LITERAL- (RFC 7888 §5).
  public var longestNonSynchronizing = Int.max
  /// Places in `buffer` (counted from its start) where the client waits for `+` before it sends on.
  public private(set) var pauses: [Int] = []

  public init(options: WireOptions = .rev1, nonSynchronizing: Bool) {
    self.options = options
    self.nonSynchronizing = nonSynchronizing
  }

  /// Writes the whole command with its line end.
  public mutating func print(_ command: TaggedCommand) {
    buffer.writeString(command.tag)
    buffer.writeSpace()
    if command.command.isUID { buffer.writeStaticString("UID ") }
    buffer.writeStaticString(command.command.name.keyword)
    printArguments(command.command)
    buffer.writeCRLF()
  }

  private mutating func printArguments(_ command: Command) {
    switch command {
    case .capability, .noop, .logout, .startTLS, .namespace, .idle, .close, .unselect, .check,
      .unauthenticate:
      break
    case .id(let command): print(command)
    case .language(let command): print(command)
    case .authenticate(let command): print(command)
    case .login(let command): print(command)
    case .enable(let command): print(command)
    case .compress(let command): print(command)
    case .comparator(let command): print(command)
    case .select(let command): print(command)
    case .create(let command): print(command)
    case .rename(let command): print(command)
    case .list(let command): print(command)
    case .lsub(let command): print(command)
    case .status(let command): print(command)
    case .append(let command), .replace(let command): print(command)
    case .resetKey(let command): print(command)
    case .genURLAuth(let command): print(command)
    case .urlFetch(let command): print(command)
    case .getQuota(let command): print(command)
    case .getMetadata(let command): print(command)
    case .setMetadata(let command): print(command)
    case .setACL(let command): print(command)
    case .deleteACL(let command), .listRights(let command): print(command)
    case .esearch(let command): print(command)
    case .cancelUpdate(let command): print(command)
    case .notify(let command): print(command)
    case .setQuota(let command): print(command)
    case .delete(let name), .subscribe(let name), .unsubscribe(let name), .getQuotaRoot(let name), .getACL(let name),
      .myRights(let name):
      space()
      mailbox(name)
    case .expunge(let command): print(command)
    case .search(let command): print(command)
    case .sort(let command): print(command)
    case .thread(let command): print(command)
    case .fetch(let command): print(command)
    case .store(let command): print(command)
    case .copy(let command): print(command.set, command.mailbox)
    case .move(let command): print(command.set, command.mailbox)
    }
  }

  // MARK: Pieces, for commands that have no case in `Command`

  public mutating func space() { buffer.writeSpace() }
  public mutating func word(_ word: StaticString) { buffer.writeStaticString(word) }
  public mutating func text(_ text: String) { buffer.writeString(text) }
  public mutating func set(_ set: MessageSet) { buffer.writeMessageSet(set) }

  mutating func print(_ set: MessageSet, _ name: MailboxName) {
    space()
    self.set(set)
    space()
    mailbox(name)
  }

  mutating func mailbox(_ name: MailboxName) { mailbox(name.string) }

  public mutating func mailbox(_ name: String) {
    astring(options.utf8 ? name : ModifiedUTF7.encode(name))
  }

  public mutating func astring(_ string: String) { astring(string.utf8Span.span.bytes) }

  public mutating func astring(_ bytes: RawSpan) {
    if StringForm(bytes, utf8: options.utf8) == .atom { buffer.writeSpan(bytes) } else { string(bytes) }
  }

  mutating func string(_ string: String) { self.string(string.utf8Span.span.bytes) }

  mutating func string(_ bytes: RawSpan) {
    if StringForm(bytes, utf8: options.utf8) == .literal {
      literalHeader(size: bytes.byteCount)
      buffer.writeSpan(bytes)
    } else {
      buffer.writeQuoted(bytes)
    }
  }

  mutating func nstring(_ string: String?) {
    if let string { self.string(string) } else { word("NIL") }
  }

  /// The caller writes `size` octets to `buffer`, or sends them after it.
  public mutating func literalHeader(size: Int, isBinary: Bool = false) {
    if isBinary { word("~") }
    word("{")
    buffer.writeDecimal(size)
    let isAsked = !nonSynchronizing || size > longestNonSynchronizing
    word(isAsked ? "}\r\n" : "+}\r\n")
    if isAsked { pauses.append(buffer.writerIndex) }
  }

  public mutating func flags(_ flags: FlagList) {
    buffer.writeFlagList(flags.system, keywords: flags.keywords + flags.ignored)
  }

  mutating func modifiers(_ modifiers: [CommandModifier]) {
    guard !modifiers.isEmpty else { return }
    word(" (")
    for (index, modifier) in modifiers.enumerated() {
      if index > 0 { space() }
      print(modifier)
    }
    word(")")
  }

  mutating func print(_ modifier: CommandModifier) {
    text(modifier.name)
    if let value = modifier.value {
      space()
      buffer.writeImmutableBuffer(value)
    }
  }
}
