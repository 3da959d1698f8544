import Bytes
public import NIOCore

/// `ESEARCH`: SEARCH in several mailboxes (RFC 7377).
public struct ESearchCommand: Hashable, Sendable {
  /// Nil: none were given, which means the selected mailbox.
  public var sources: [SearchSource]?
  /// Its answer always holds UIDs; `uid` is true.
  public var search: SearchCommand
  public init(_ sources: [SearchSource]?, _ search: SearchCommand) {
    self.sources = sources
    self.search = search
    self.search.uid = true
  }
}

/// Where to search (RFC 7377 §2.2).
public enum SearchSource: Hashable, Sendable {
  case selected, inboxes, personal, subscribed
  /// Never empty.
  case subtree([MailboxName])
  /// With what is one level below.
  case subtreeOne([MailboxName])
  case mailboxes([MailboxName])
}

extension CommandReader {
  /// esearch = "ESEARCH" [SP "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"] [SP search-return-opts]
  /// SP search-program
  mutating func esearchCommand() throws(IMAPSyntaxError) -> ESearchCommand {
    let start = cursor.position
    try space()
    var sources: [SearchSource]?
    if cursor.takeIgnoringCase("IN (") {
      var list: [SearchSource] = []
      repeat {
        // RFC 7377 §4: no scope options are defined.
        if cursor.peek == UInt8(ascii: "(") { throw error("Unknown scope option") }
        guard list.count < limits.listElements else { throw error("More than \(limits.listElements) sources") }
        list.append(try searchSource())
      } while cursor.take(.space)
      try closeParenthesis()
      sources = list
    } else {
      cursor.position = start
    }
    // What follows is what follows SEARCH.
    return ESearchCommand(sources, try searchCommand(uid: true))
  }

  private mutating func searchSource() throws(IMAPSyntaxError) -> SearchSource {
    let range = wordRange()
    let word = bytes(range)
    if word.equalsIgnoringCase("SELECTED") { return .selected }
    if word.equalsIgnoringCase("INBOXES") { return .inboxes }
    if word.equalsIgnoringCase("PERSONAL") { return .personal }
    if word.equalsIgnoringCase("SUBSCRIBED") { return .subscribed }
    if word.equalsIgnoringCase("SUBTREE") { return .subtree(try notifyNames()) }
    if word.equalsIgnoringCase("SUBTREE-ONE") { return .subtreeOne(try notifyNames()) }
    if word.equalsIgnoringCase("MAILBOXES") { return .mailboxes(try notifyNames()) }
    throw error("Unknown source '\(excerpt(range))'", at: range.lowerBound)
  }
}

extension CommandPrinter {
  mutating func print(_ command: ESearchCommand) {
    if let sources = command.sources {
      word(" IN (")
      for (index, source) in sources.enumerated() {
        if index > 0 { space() }
        print(source)
      }
      word(")")
    }
    print(command.search)
  }

  private mutating func print(_ source: SearchSource) {
    switch source {
    case .selected: word("SELECTED")
    case .inboxes: word("INBOXES")
    case .personal: word("PERSONAL")
    case .subscribed: word("SUBSCRIBED")
    case .subtree(let names):
      word("SUBTREE ")
      print(names)
    case .subtreeOne(let names):
      word("SUBTREE-ONE ")
      print(names)
    case .mailboxes(let names):
      word("MAILBOXES ")
      print(names)
    }
  }
}

extension ESearchResponse {
  /// What an answer to ESEARCH has beside the tag (RFC 7377 §2.1), as it goes on the wire.
  public static func correlator(_ mailbox: MailboxName, uidValidity: UInt32, _ options: WireOptions) -> ByteBuffer {
    var buffer = ByteBuffer()
    buffer.writeStaticString(" MAILBOX ")
    buffer.writeMailbox(mailbox, options)
    buffer.writeStaticString(" UIDVALIDITY ")
    buffer.writeDecimal(uidValidity)
    return buffer
  }
}
