public import IMAPCore
public import NIOCore

/// A message of the header replica.
public struct ReplicaMessage: Sendable {
  let row: Int64
  public var uid: UInt32
  /// As the server had them at the last pass.
  public var flags: SyncFlags
  /// RFC822.SIZE.
  public var size: Int64
  /// INTERNALDATE.
  public var date: IMAPDateTime?
  /// All lines up to the empty one, as the server sent them; cut at `SyncLimits.replicaHeader`.
  public var header: ByteBuffer
  public var structure: BodyStructureValue?
}

/// A mailbox of the header replica.
public struct ReplicaMailbox: Sendable, Hashable {
  let id: Int64
  /// As the server spells it.
  public var name: String
  public var uidValidity: UInt32?
  public var uidNext: UInt32?
  /// Known messages, and those of them whose header is here: fewer after a run that was cut short.
  public var messages: Int
  public var headers: Int
  /// Those that another mode has brought as files.
  let files: Int
  public var unseen: Int
  /// Of all messages, as the server counts them.
  public var octets: Int64
  /// When the last pass brought it up to date; seconds since 1970. Nil: no pass has yet.
  public var replicatedAt: Int64?
}

extension BodyStructureValue {
  /// The part with this number (RFC 9051 §6.4.5.1): behind a message numbers count inside it.
  func part(at path: [UInt32]) -> BodyStructureValue? {
    func child(_ number: UInt32, of value: BodyStructureValue) -> BodyStructureValue? {
      guard value.isMultipart else { return number == 1 ? value : nil }
      return number >= 1 && number <= value.children.count ? value.children[Int(number) - 1] : nil
    }
    guard let first = path.first, var found = child(first, of: self) else { return nil }
    for number in path.dropFirst() {
      let inside = found.isMultipart ? found : found.type == "message" ? found.children.first : nil
      guard let inside, let next = child(number, of: inside) else { return nil }
      found = next
    }
    return found
  }
}
