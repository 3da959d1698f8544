public import NIOCore

/// ENVELOPE as a client reads it (RFC 9051 §7.5.2). Strings are the raw octets; RFC 2047 words are kept as they are.
public struct EnvelopeValue: Hashable, Sendable {
  public struct Address: Hashable, Sendable {
    public var name: ByteBuffer?
    public var route: ByteBuffer?
    public var mailbox: ByteBuffer?
    public var host: ByteBuffer?
    public init(name: ByteBuffer?, route: ByteBuffer?, mailbox: ByteBuffer?, host: ByteBuffer?) {
      self.name = name
      self.route = route
      self.mailbox = mailbox
      self.host = host
    }
  }
  public var date: ByteBuffer?
  public var subject: ByteBuffer?
  public var from: [Address] = []
  public var sender: [Address] = []
  public var replyTo: [Address] = []
  public var to: [Address] = []
  public var cc: [Address] = []
  public var bcc: [Address] = []
  public var inReplyTo: ByteBuffer?
  public var messageID: ByteBuffer?
  public init() {}
}
