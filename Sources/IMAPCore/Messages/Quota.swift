import Bytes
public import NIOCore

/// `GETQUOTA` (RFC 9208 §4.1.1).
public struct GetQuotaCommand: Hashable, Sendable {
  public var root: String
  public init(root: String) { self.root = root }
}

/// `SETQUOTA` (RFC 9208 §4.1.3).
public struct SetQuotaCommand: Hashable, Sendable {
  public struct Limit: Hashable, Sendable {
    /// In upper case.
    public var resource: String
    public var limit: Int64
    public init(_ resource: String, _ limit: Int64) {
      self.resource = resource
      self.limit = limit
    }

    /// As it goes on the wire.
    public var text: String { "\(resource) \(limit)" }
  }
  public var root: String
  public var limits: [Limit]
  public init(root: String, limits: [Limit]) {
    self.root = root
    self.limits = limits
  }
}

/// One resource of a QUOTA response (RFC 9208 §4.2.1).
public struct QuotaResource: Hashable, Sendable {
  /// `STORAGE`, `ANNOTATION-STORAGE` (units of 1024 octets), `MESSAGE` or `MAILBOX`.
  public var name: String
  public var usage: Int64
  public var limit: Int64
  public init(_ name: String, usage: Int64, limit: Int64) {
    self.name = name
    self.usage = usage
    self.limit = limit
  }
}

extension CommandReader {
  /// getquota = "GETQUOTA" SP quota-root-name
  mutating func getQuotaCommand() throws(IMAPSyntaxError) -> GetQuotaCommand {
    try space()
    return GetQuotaCommand(root: try astring("quota root"))
  }

  /// setquota = "SETQUOTA" SP quota-root-name SP setquota-list
  mutating func setQuotaCommand() throws(IMAPSyntaxError) -> SetQuotaCommand {
    try space()
    let root = try astring("quota root")
    try space()
    var limits: [SetQuotaCommand.Limit] = []
    try list("resources", allowsEmpty: true) { (reader) throws(IMAPSyntaxError) in
      let resource = try reader.atom("a resource").uppercased()
      try reader.space()
      limits.append(.init(resource, try reader.number64("a limit")))
    }
    return SetQuotaCommand(root: root, limits: limits)
  }
}

extension CommandPrinter {
  mutating func print(_ command: GetQuotaCommand) {
    space()
    astring(command.root)
  }

  mutating func print(_ command: SetQuotaCommand) {
    space()
    astring(command.root)
    text(" (\(command.limits.map(\.text).joined(separator: " ")))")
  }
}

extension ByteBuffer {
  /// `* QUOTA root (STORAGE usage limit ...)` (RFC 9208 §4.2.1).
  public mutating func writeQuota(root: String, _ resources: [QuotaResource], _ options: WireOptions) {
    writeStaticString("* QUOTA ")
    writeAString(root, options)
    writeStaticString(" (")
    for (index, resource) in resources.enumerated() {
      if index > 0 { writeSpace() }
      writeString(resource.name)
      writeSpace()
      writeDecimal(resource.usage)
      writeSpace()
      writeDecimal(resource.limit)
    }
    writeStaticString(")\r\n")
  }

  /// `* QUOTAROOT mailbox root ...` (RFC 9208 §4.2.2).
  public mutating func writeQuotaRoot(_ mailbox: MailboxName, roots: [String], _ options: WireOptions) {
    writeStaticString("* QUOTAROOT ")
    writeMailbox(mailbox, options)
    for root in roots {
      writeSpace()
      writeAString(root, options)
    }
    writeCRLF()
  }
}
