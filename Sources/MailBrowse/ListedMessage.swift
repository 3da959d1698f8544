import Bytes
import IMAPClient
import IMAPCore
import MailFormat
import NIOCore

/// A row of a mailbox's table, made of what travels without any body.
public struct ListedMessage: Codable, Sendable, Hashable {
  public struct Attachment: Codable, Sendable, Hashable {
    /// What `read --part` takes.
    public var part: String
    public var name: String?
    /// `image/jpeg`.
    public var type: String
    /// As they travel, transfer encoding included.
    public var octets: Int64
    /// About what the file has: base64 and quoted-printable are larger than what they carry.
    public var decodedOctets: Int64
  }

  /// UID; for POP3 the message's number in this session.
  public var uid: UInt32
  /// Seconds since 1970: of the Date field, else the day it came in.
  public var date: Int64?
  public var from: String
  public var fromAddress: String
  public var subject: String
  /// RFC822.SIZE, octets.
  public var octets: Int64
  /// System flags without backslash, and keywords.
  public var flags: [String]
  public var attachments: [Attachment]

  public init(
    uid: UInt32, date: Int64?, from: String, fromAddress: String, subject: String, octets: Int64, flags: [String],
    attachments: [Attachment]
  ) {
    self.uid = uid
    self.date = date
    self.from = from
    self.fromAddress = fromAddress
    self.subject = subject
    self.octets = octets
    self.flags = flags
    self.attachments = attachments
  }

  public var isSeen: Bool { flags.contains("Seen") }
}

extension ListedMessage {
  init(_ message: FetchedMessage) {
    let envelope = message.envelope ?? EnvelopeValue()
    let sender = envelope.from.first { $0.host != nil } ?? envelope.sender.first { $0.host != nil }
    let address = sender.map(HeaderText.address) ?? ""
    let name = HeaderText.decoded(sender?.name)
    let sent = envelope.date.flatMap { date in
      DateParser.messageDate(date.readableBytesSpan, in: 0..<date.readableBytes)?.seconds
    }
    self.init(
      uid: message.uid, date: sent ?? message.internalDate?.seconds, from: name.isEmpty ? address : name,
      fromAddress: address, subject: HeaderText.decoded(envelope.subject), octets: message.size ?? 0,
      flags: message.flags.map(HeaderText.names) ?? [],
      attachments: message.structure.map { PartTree($0).attachments } ?? [])
  }
}

/// Header values as people read them. Control characters never reach a terminal.
enum HeaderText {
  static func decoded(_ value: ByteBuffer?) -> String {
    guard let value else { return "" }
    return printable(TextDecoding.decodeHeader(value.readableBytesSpan))
  }

  static func address(_ address: EnvelopeValue.Address) -> String {
    let mailbox = address.mailbox.map { String(buffer: $0) } ?? ""
    guard let host = address.host.map({ String(buffer: $0) }), !host.isEmpty else { return printable(mailbox) }
    return printable(mailbox + "@" + host)
  }

  static func names(_ flags: FlagList) -> [String] {
    var names: [String] = []
    if flags.system.contains(.seen) { names.append("Seen") }
    if flags.system.contains(.answered) { names.append("Answered") }
    if flags.system.contains(.flagged) { names.append("Flagged") }
    if flags.system.contains(.draft) { names.append("Draft") }
    if flags.system.contains(.deleted) { names.append("Deleted") }
    return names + flags.keywords
  }

  /// Escape sequences, line ends, marks that turn the direction of writing and signs that nobody sees become U+FFFD: a
  /// subject must not move the cursor, or dress one name up as another. The two joiners stay: scripts and emoji need them.
  static func printable(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars { result.append(isUnsafe(scalar) ? "\u{FFFD}" : scalar) }
    return String(result)
  }

  private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7F..<0xA0, 0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
      0xFFF9...0xFFFB:
      true
    default: false
    }
  }
}
