import Bytes
public import NIOCore

/// `RESETKEY` (RFC 4467 §7).
public struct ResetKeyCommand: Hashable, Sendable {
  /// Nil: all keys of the account are removed.
  public var mailbox: MailboxName?
  /// In upper case; none means INTERNAL.
  public var mechanisms: [String]
  public init(_ mailbox: MailboxName? = nil, mechanisms: [String] = []) {
    self.mailbox = mailbox
    self.mechanisms = mechanisms
  }
}

/// `GENURLAUTH` (RFC 4467 §7).
public struct GenURLAuthCommand: Hashable, Sendable {
  public struct Wish: Hashable, Sendable {
    /// As it stands in the command: the token is made of these octets.
    public var url: ByteBuffer
    /// In upper case.
    public var mechanism: String
    public init(_ url: ByteBuffer, mechanism: String) {
      self.url = url
      self.mechanism = mechanism
    }
  }
  /// At least one.
  public var wishes: [Wish]
  public init(_ wishes: [Wish]) { self.wishes = wishes }
}

/// `URLFETCH` (RFC 4467 §7).
public struct URLFetchCommand: Hashable, Sendable {
  /// At least one, as they stand in the command.
  public var urls: [ByteBuffer]
  public init(_ urls: [ByteBuffer]) { self.urls = urls }
}

extension CommandReader {
  /// resetkey = "RESETKEY" [SP mailbox *(SP mechanism)]
  mutating func resetKeyCommand() throws(IMAPSyntaxError) -> ResetKeyCommand {
    guard !cursor.isAtEnd else { return ResetKeyCommand() }
    var command = ResetKeyCommand(try spaceAndMailbox())
    while !cursor.isAtEnd { command.mechanisms.append(try mechanism(after: command.mechanisms.count)) }
    return command
  }

  /// genurlauth = "GENURLAUTH" 1*(SP url-rump SP mechanism)
  mutating func genURLAuthCommand() throws(IMAPSyntaxError) -> GenURLAuthCommand {
    var wishes: [GenURLAuthCommand.Wish] = []
    repeat {
      try space()
      let url = try url()
      wishes.append(.init(url, mechanism: try mechanism(after: wishes.count)))
    } while !cursor.isAtEnd
    return GenURLAuthCommand(wishes)
  }

  /// urlfetch = "URLFETCH" 1*(SP url-full)
  mutating func urlFetchCommand() throws(IMAPSyntaxError) -> URLFetchCommand {
    var urls: [ByteBuffer] = []
    repeat {
      guard urls.count < limits.urls else { throw error("More than \(limits.urls) URLs", code: .limit) }
      try space()
      urls.append(try url())
    } while !cursor.isAtEnd
    return URLFetchCommand(urls)
  }

  /// SP mechanism: letters, digits, `-` and `.`
  private mutating func mechanism(after count: Int) throws(IMAPSyntaxError) -> String {
    guard count < limits.urls else { throw error("More than \(limits.urls) mechanisms", code: .limit) }
    try space()
    let range = wordRange()
    guard !range.isEmpty else { throw expected("a mechanism") }
    return string(range).uppercased()
  }
}

extension CommandPrinter {
  mutating func print(_ command: ResetKeyCommand) {
    guard let name = command.mailbox else { return }
    space()
    mailbox(name)
    buffer.writeWords(command.mechanisms)
  }

  mutating func print(_ command: GenURLAuthCommand) {
    for wish in command.wishes {
      space()
      astring(wish.url.readableBytesSpan)
      buffer.writeWords([wish.mechanism])
    }
  }

  mutating func print(_ command: URLFetchCommand) {
    for url in command.urls {
      space()
      astring(url.readableBytesSpan)
    }
  }
}
