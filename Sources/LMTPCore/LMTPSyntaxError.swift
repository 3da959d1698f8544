/// What is wrong with a command line. Each has its reply.
public enum LMTPSyntaxError: Error, Sendable, Hashable {
  case unknownCommand
  /// HELO or EHLO: the client believes this is SMTP.
  case notSMTP
  case notImplemented
  case missingArgument
  case unexpectedArgument
  case badSender
  case badRecipient
  /// A MAIL or RCPT parameter that isn't known.
  case unknownParameter(String)
  case badParameter(String)
  case senderNeedsUTF8
  case recipientNeedsUTF8
  /// After this the stream may hold a chunk of unknown length: the connection has to be closed.
  case badChunkSize
  case controlCharacter
  case lineTooLong
  /// The line ended with LF alone.
  case bareLF

  public var reply: LMTPReply {
    switch self {
    case .unknownCommand: LMTPReply(500, EnhancedStatus(5, 5, 1), "Unknown command")
    // RFC 2033 §4.1: these MUST NOT succeed; 500 is recommended.
    case .notSMTP: LMTPReply(500, EnhancedStatus(5, 5, 1), "This is LMTP, not SMTP: use LHLO")
    case .notImplemented: LMTPReply(502, EnhancedStatus(5, 5, 1), "Command not implemented")
    case .missingArgument: LMTPReply(501, EnhancedStatus(5, 5, 4), "An argument is missing")
    case .unexpectedArgument: LMTPReply(501, EnhancedStatus(5, 5, 4), "This command takes no such argument")
    case .badSender: LMTPReply(501, EnhancedStatus(5, 1, 7), "Syntax: MAIL FROM:<address> [parameters]")
    case .badRecipient: LMTPReply(501, EnhancedStatus(5, 1, 3), "Syntax: RCPT TO:<address> [parameters]")
    // RFC 5321 §4.1.1.11
    case .unknownParameter(let name): LMTPReply(555, EnhancedStatus(5, 5, 4), "Parameter \(name) is not supported")
    case .badParameter(let name): LMTPReply(501, EnhancedStatus(5, 5, 4), "Bad value for parameter \(name)")
    // RFC 6531 §3.5
    case .senderNeedsUTF8: LMTPReply(550, EnhancedStatus(5, 6, 7), "Non-ASCII address without SMTPUTF8")
    case .recipientNeedsUTF8: LMTPReply(553, EnhancedStatus(5, 6, 7), "Non-ASCII address without SMTPUTF8")
    case .badChunkSize: LMTPReply(501, EnhancedStatus(5, 5, 4), "Syntax: BDAT octets [LAST]")
    case .controlCharacter: LMTPReply(500, EnhancedStatus(5, 5, 2), "Control characters are not allowed")
    case .lineTooLong: LMTPReply(500, EnhancedStatus(5, 5, 2), "Line too long")  // RFC 5321 §4.5.3.1.9
    case .bareLF: LMTPReply(500, EnhancedStatus(5, 5, 2), "Lines must end with CRLF")
    }
  }
}
