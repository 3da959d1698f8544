import Bytes
public import NIOCore

/// An enhanced status code (RFC 3463 §2).
public struct EnhancedStatus: Sendable, Hashable, CustomStringConvertible {
  public let kind: UInt8
  public let subject: UInt16
  public let detail: UInt16

  public init(_ kind: UInt8, _ subject: UInt16, _ detail: UInt16) {
    self.kind = kind
    self.subject = subject
    self.detail = detail
  }

  public var description: String { "\(kind).\(subject).\(detail)" }
}

/// A reply of one line or several.
public struct LMTPReply: Sendable, Hashable {
  public let code: Int
  /// Nil for 354, for the greeting and the answer to LHLO, which have none (RFC 2034 §4).
  public let status: EnhancedStatus?
  public let lines: [String]

  public init(_ code: Int, _ status: EnhancedStatus?, _ lines: [String]) {
    self.code = code
    self.status = status
    self.lines = lines
  }

  public init(_ code: Int, _ status: EnhancedStatus?, _ line: String) { self.init(code, status, [line]) }

  /// 2yz or 3yz.
  public var isPositive: Bool { code < 400 }

  /// Appends the reply. Control characters, which an echoed address might hold, become "?"; overlong lines are cut.
  public func write(into buffer: inout ByteBuffer) {
    for (index, line) in lines.enumerated() {
      let start = buffer.writerIndex
      buffer.writeDecimal(code)
      buffer.writeInteger(index == lines.count - 1 ? UInt8.space : UInt8(ascii: "-"))
      // RFC 2034 §4: the status code stands on every line.
      if let status {
        buffer.writeDecimal(status.kind)
        buffer.writeInteger(UInt8(ascii: "."))
        buffer.writeDecimal(status.subject)
        buffer.writeInteger(UInt8(ascii: "."))
        buffer.writeDecimal(status.detail)
        buffer.writeSpace()
      }
      if line.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) {
        buffer.writeString(line)
      } else {
        for byte in line.utf8 { buffer.writeInteger(byte < 0x20 || byte == 0x7F ? UInt8(ascii: "?") : byte) }
      }
      let longest = LMTPLimits.replyLine - 2
      if buffer.writerIndex - start > longest { buffer.moveWriterIndex(to: start + longest) }
      buffer.writeStaticString("\r\n")
    }
  }
}

/// The replies a server gives, each with its codes in one place.
extension LMTPReply {
  public static func greeting(host: String) -> LMTPReply { LMTPReply(220, nil, "\(host) LMTP server ready") }

  /// The answer to LHLO.
  public static func capabilities(host: String, _ list: [LMTPCapability]) -> LMTPReply {
    LMTPReply(250, nil, [host] + list.map(\.text))
  }

  public static let ok = LMTPReply(250, EnhancedStatus(2, 0, 0), "OK")
  public static let senderOK = LMTPReply(250, EnhancedStatus(2, 1, 0), "Sender OK")
  public static let recipientOK = LMTPReply(250, EnhancedStatus(2, 1, 5), "Recipient OK")
  public static let startInput = LMTPReply(354, nil, "Start mail input; end with <CRLF>.<CRLF>")
  /// After a BDAT that is not the last one.
  public static func chunkTaken(octets: Int64) -> LMTPReply {
    LMTPReply(250, EnhancedStatus(2, 0, 0), "\(octets) octets received")
  }
  /// After the end of the message, one for each recipient (RFC 2033 §4.2).
  public static func delivered(to recipient: LMTPPath) -> LMTPReply {
    LMTPReply(250, EnhancedStatus(2, 1, 5), "\(recipient.text) delivered")
  }
  public static let goodbye = LMTPReply(221, EnhancedStatus(2, 0, 0), "Goodbye")
  /// RFC 5321 §3.5.3: 252 says neither yes nor no.
  public static let cannotVerify = LMTPReply(252, EnhancedStatus(2, 5, 0), "Cannot verify; send some mail and see")
  public static let help = LMTPReply(
    214, EnhancedStatus(2, 0, 0), "LHLO MAIL RCPT DATA BDAT RSET NOOP VRFY STARTTLS HELP QUIT")
  public static let beginTLS = LMTPReply(220, EnhancedStatus(2, 0, 0), "Begin TLS")

  public static let tlsUnavailable = LMTPReply(454, EnhancedStatus(4, 7, 0), "TLS is not available")  // RFC 3207 §4
  public static let tlsActive = LMTPReply(503, EnhancedStatus(5, 5, 1), "TLS is already active")
  public static let lhloFirst = LMTPReply(503, EnhancedStatus(5, 5, 1), "Send LHLO first")
  public static let mailFirst = LMTPReply(503, EnhancedStatus(5, 5, 1), "Send MAIL first")
  public static let mailTwice = LMTPReply(503, EnhancedStatus(5, 5, 1), "There is a sender already")
  /// RFC 2033 §4.2: DATA without a good recipient MUST fail with 503.
  public static let noRecipients = LMTPReply(503, EnhancedStatus(5, 5, 1), "No valid recipients")
  /// RFC 3030 §2: DATA after BDAT, BDAT after BDAT LAST.
  public static let badSequence = LMTPReply(503, EnhancedStatus(5, 5, 1), "Bad sequence of commands")
  public static let resetFirst = LMTPReply(503, EnhancedStatus(5, 5, 1), "The transaction has failed, send RSET")

  public static func noSuchUser(_ recipient: LMTPPath) -> LMTPReply {
    LMTPReply(550, EnhancedStatus(5, 1, 1), "\(recipient.text) no such user here")
  }
  public static func userDisabled(_ recipient: LMTPPath) -> LMTPReply {
    LMTPReply(550, EnhancedStatus(5, 2, 1), "\(recipient.text) mailbox is disabled")
  }
  /// `isPermanent`: 552 5.2.2, the sender hears at once; else 452 4.2.2, the MTA tries again.
  public static func mailboxFull(_ recipient: LMTPPath, isPermanent: Bool) -> LMTPReply {
    LMTPReply(
      isPermanent ? 552 : 452, EnhancedStatus(isPermanent ? 5 : 4, 2, 2), "\(recipient.text) mailbox is full")
  }
  /// RFC 1870 §6.1
  public static func tooBig(limit: Int64) -> LMTPReply {
    LMTPReply(552, EnhancedStatus(5, 3, 4), "Message is bigger than \(limit) octets")
  }
  /// RFC 3463 §3.7: what is labelled binary cannot be made anything else.
  public static let cannotConvert = LMTPReply(
    554, EnhancedStatus(5, 6, 3), "The message has binary content that cannot be converted")
  /// RFC 3030 §3: BODY=BINARYMIME with DATA.
  public static let binaryNeedsBDAT = LMTPReply(503, EnhancedStatus(5, 5, 1), "BINARYMIME needs BDAT")
  public static let tooManyRecipients = LMTPReply(452, EnhancedStatus(4, 5, 3), "Too many recipients")
  /// RFC 1870 §6.1: no room on the disk just now.
  public static let noRoom = LMTPReply(452, EnhancedStatus(4, 3, 1), "Insufficient storage, try again later")
  public static func temporaryFailure(_ recipient: LMTPPath? = nil) -> LMTPReply {
    LMTPReply(
      451, EnhancedStatus(4, 3, 0), (recipient.map { "\($0.text) " } ?? "") + "temporary failure, try again later")
  }
  public static let shuttingDown = LMTPReply(421, EnhancedStatus(4, 3, 2), "Shutting down")
  public static let idleTooLong = LMTPReply(421, EnhancedStatus(4, 4, 2), "Nothing heard for too long, closing")
  public static let tooManyErrors = LMTPReply(421, EnhancedStatus(4, 7, 0), "Too many errors, closing")
  public static let tooManyConnections = LMTPReply(421, EnhancedStatus(4, 7, 0), "Too many connections")
}

/// A line of the answer to LHLO.
public enum LMTPCapability: Sendable, Hashable {
  /// RFC 2920
  case pipelining
  /// RFC 1870. 0 means there is no bound.
  case size(Int64)
  /// RFC 6152
  case eightBitMIME
  /// RFC 6531
  case smtpUTF8
  /// RFC 3030 §2
  case chunking
  /// RFC 3030 §3
  case binaryMIME
  /// RFC 2034
  case enhancedStatusCodes
  /// RFC 3207
  case startTLS

  public var text: String {
    switch self {
    case .pipelining: "PIPELINING"
    case .size(let limit): "SIZE \(limit)"
    case .eightBitMIME: "8BITMIME"
    case .smtpUTF8: "SMTPUTF8"
    case .chunking: "CHUNKING"
    case .binaryMIME: "BINARYMIME"
    case .enhancedStatusCodes: "ENHANCEDSTATUSCODES"
    case .startTLS: "STARTTLS"
    }
  }
}
