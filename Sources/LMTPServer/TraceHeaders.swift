import Bytes
import LMTPCore
import MailNet
import NIOCore

/// The header lines a delivery puts before a message (RFC 5321 §4.4).
struct TraceHeaders: Sendable {
  /// "with" of Received (RFC 3848, RFC 6531 §4.3). Nil: mail that came by no protocol.
  enum Transport: String, Sendable {
    case lmtp = "LMTP"
    case lmtps = "LMTPS"
    case utf8LMTP = "UTF8LMTP"
    case utf8LMTPS = "UTF8LMTPS"

    init(isTLS: Bool, isUTF8: Bool) {
      switch (isTLS, isUTF8) {
      case (false, false): self = .lmtp
      case (true, false): self = .lmtps
      case (false, true): self = .utf8LMTP
      case (true, true): self = .utf8LMTPS
      }
    }
  }

  var hostname: String
  /// What the client called itself, and its address when it has one.
  var client: String?
  var clientAddress: String?
  var transport: Transport?
  var queueID: String
  /// Seconds since 1970.
  var date: Int64

  /// The lines for one recipient. `sender`: nil leaves out Return-Path.
  func lines(sender: LMTPPath?, recipient: LMTPPath) -> ByteBuffer {
    var lines = ByteBuffer()
    lines.reserveCapacity(320)
    // RFC 5321 §4.4: final delivery puts the return path at the beginning.
    // Piece by piece: this is done for every recipient of every message.
    if let sender {
      lines.writeStaticString("Return-Path: ")
      lines.writeString(sender.text)
      lines.writeCRLF()
    }
    let address = recipient.address
    lines.writeStaticString("Delivered-To: ")
    lines.writeString(address)
    lines.writeStaticString("\r\nReceived: ")
    if let client {
      lines.writeStaticString("from ")
      lines.writeString(Self.domain(client))
      if let clientAddress {
        lines.writeStaticString(" ([")
        lines.writeString(clientAddress)
        lines.writeStaticString("])")
      }
      lines.writeStaticString("\r\n\t")
    }
    lines.writeStaticString("by ")
    lines.writeString(hostname)
    if let transport {
      lines.writeStaticString(" with ")
      lines.writeString(transport.rawValue)
    }
    lines.writeStaticString(" id ")
    lines.writeString(queueID)
    lines.writeStaticString("\r\n\tfor <")
    lines.writeString(address)
    lines.writeStaticString(">;\r\n\t")
    Self.writeDate(date, to: &lines)
    lines.writeCRLF()
    return lines
  }

  /// RFC 5321 §4.1.3: IPv6 addresses bear a tag.
  static func literal(_ peer: PeerAddress) -> String? {
    guard !peer.isUnixSocket else { return nil }
    let text = peer.ipText
    return text.contains(":") ? "IPv6:\(text)" : text
  }

  /// What a client calls itself can hold anything; what goes into the header must not look like more of it.
  private static func domain(_ name: String) -> String {
    let isPlain = name.utf8.allSatisfy { byte in
      byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ":") || byte == UInt8(ascii: "[")
        || byte == UInt8(ascii: "]")
    }
    return isPlain ? name : "unknown"
  }

  /// RFC 5322 §3.3, in UTC.
  static func writeDate(_ seconds: Int64, to buffer: inout ByteBuffer) {
    let days = Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
    let second = Int(seconds) - days * 86_400
    let (year, month, day) = civil(days)
    buffer.writeStaticString(weekdays[((days % 7) + 7) % 7])
    buffer.writeStaticString(", ")
    buffer.writeDecimal(day)
    buffer.writeSpace()
    buffer.writeStaticString(months[month - 1])
    buffer.writeSpace()
    buffer.writeDecimal(year, width: 4)
    buffer.writeSpace()
    buffer.writeDecimal(second / 3600, width: 2)
    buffer.writeInteger(UInt8(ascii: ":"))
    buffer.writeDecimal(second / 60 % 60, width: 2)
    buffer.writeInteger(UInt8(ascii: ":"))
    buffer.writeDecimal(second % 60, width: 2)
    buffer.writeStaticString(" +0000")
  }

  private static let weekdays: [StaticString] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
  private static let months: [StaticString] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The Gregorian date of a day number, 0 being 1970-01-01. Years are counted from March, so that the leap day comes
  /// last.
  private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let fromMarch = (5 * dayOfYear + 2) / 153
    let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * fromMarch + 2) / 5 + 1)
  }
}
