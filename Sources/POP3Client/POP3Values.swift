public import MailNet
public import NIOCore

/// One line of LIST and UIDL together.
public struct POP3Listing: Sendable, Hashable {
  public var number: Int
  /// As announced; 0 when the server did not say.
  public var octets: Int64
  /// Whatever the server gave: ids may repeat, be empty, longer than RFC 1939 §7 allows, or no ASCII. Nil when the server
  /// has no UIDL, or left this message out of it.
  public var uidl: String?
  public init(number: Int, octets: Int64, uidl: String?) {
    self.number = number
    self.octets = octets
    self.uidl = uidl
  }
}

/// What RETR and TOP bring, dot-stuffing undone, lines ending in CRLF as sent.
public enum POP3Retrieval: Sendable {
  /// A message that fitted `POP3ClientLimits.whole`. It may share its storage with its neighbours: who keeps a small one for
  /// long had better copy it.
  case whole(number: Int, ByteBuffer)
  case begin(number: Int)
  case piece(ByteBuffer)
  case end(number: Int)
  /// -ERR to this message's RETR; the others go on.
  case refused(number: Int, ClientError)
}
