/// How LMTP and `deliver` behave, and every limit they have.
public struct LMTPServerSettings: Sendable {
  /// In the greeting and in Received.
  public var hostname: String
  /// Octets of a message without trace headers. Announced by SIZE (RFC 1870).
  public var maxMessageBytes: Int
  /// A full account answers 452 4.2.2, and the MTA tries again, instead of 552 5.2.2.
  public var quotaFullIsTemporary: Bool
  /// Parts `user+folder`; empty turns that off.
  public var recipientDelimiter: String
  /// Return-Path, Delivered-To and Received are put before the message.
  public var addsTraceHeaders: Bool
  /// STARTTLS is offered: the listener has a certificate.
  public var offersSTARTTLS: Bool
  /// The account that takes the mail of postmaster where there is none of that name (RFC 5321 §4.5.1).
  public var postmaster: String?
  /// Recipients of one transaction.
  public var maxRecipients: Int
  /// Seconds without a byte before the connection is closed (RFC 5321 §4.5.3.2.7 wants 300).
  public var idleSeconds: Int
  /// Commands that failed for their syntax or order, in one session.
  public var badCommands: Int
  /// Seconds since 1970; tests put their own clock here.
  public var now: @Sendable () -> Int64

  public init(
    hostname: String, offersSTARTTLS: Bool, maxMessageBytes: Int = 64 << 20, quotaFullIsTemporary: Bool = false,
    recipientDelimiter: String = "+", addsTraceHeaders: Bool = true, postmaster: String? = nil,
    maxRecipients: Int = 1000, idleSeconds: Int = 300, badCommands: Int = 20, now: @escaping @Sendable () -> Int64
  ) {
    self.hostname = hostname
    self.maxMessageBytes = maxMessageBytes
    self.quotaFullIsTemporary = quotaFullIsTemporary
    self.recipientDelimiter = recipientDelimiter
    self.addsTraceHeaders = addsTraceHeaders
    self.offersSTARTTLS = offersSTARTTLS
    self.postmaster = postmaster
    self.maxRecipients = maxRecipients
    self.idleSeconds = idleSeconds
    self.badCommands = badCommands
    self.now = now
  }
}

enum LMTPSizes {
  /// Content is handed to the store in pieces of about this size.
  static let piece = 64 << 10
  /// Commands carried out one after the other before the loop's other sessions have their turn.
  static let commandsPerTurn = 64
}
