import Bytes
public import NIOCore

/// Whom a line of an access control list is about (RFC 4314 §2), as the client spells it.
public struct AccessIdentifier: Hashable, Sendable {
  /// Not empty; without the dash.
  public var name: String
  /// A dash stood before it: its rights are taken away.
  public var isNegative: Bool
  public init(_ name: String, isNegative: Bool = false) {
    self.name = name
    self.isNegative = isNegative
  }

  /// Nil: nobody is named.
  public init?(text: String) {
    isNegative = text.utf8.first == UInt8(ascii: "-")
    name = isNegative ? String(text.dropFirst()) : text
    if name.isEmpty { return nil }
  }

  public var text: String { (isNegative ? "-" : "") + name }
}

/// `SETACL` (RFC 4314 §3.1).
public struct SetACLCommand: Hashable, Sendable {
  public enum Mode: Hashable, Sendable { case add, remove, replace }
  public var mailbox: MailboxName
  public var identifier: AccessIdentifier
  public var mode: Mode
  public var rights: AccessRights
  public init(_ mailbox: MailboxName, _ identifier: AccessIdentifier, _ mode: Mode, _ rights: AccessRights) {
    self.mailbox = mailbox
    self.identifier = identifier
    self.mode = mode
    self.rights = rights
  }
}

/// `DELETEACL` and `LISTRIGHTS` (RFC 4314 §3.2, §3.4).
public struct AccessCommand: Hashable, Sendable {
  public var mailbox: MailboxName
  public var identifier: AccessIdentifier
  public init(_ mailbox: MailboxName, _ identifier: AccessIdentifier) {
    self.mailbox = mailbox
    self.identifier = identifier
  }
}

extension CommandReader {
  /// setacl = "SETACL" SP mailbox SP identifier SP mod-rights
  mutating func setACLCommand() throws(IMAPSyntaxError) -> SetACLCommand {
    let command = try accessCommand()
    try space()
    let start = cursor.position
    var text = try astring("rights")[...]
    var mode = SetACLCommand.Mode.replace
    if text.utf8.first == UInt8(ascii: "+") { mode = .add }
    if text.utf8.first == UInt8(ascii: "-") { mode = .remove }
    if mode != .replace { text.removeFirst() }
    var rights: AccessRights = []
    for letter in text.utf8 {
      guard let right = AccessRights(letter: letter) else {
        // RFC 4314 §3.1: MUST be BAD.
        let isUpper = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(letter)
        throw error(
          isUpper ? "Rights are in lower case" : "There is a right that is not known here: lrswipkxtea are", at: start)
      }
      rights.formUnion(right)
    }
    return SetACLCommand(command.mailbox, command.identifier, mode, rights)
  }

  /// SP mailbox SP identifier
  mutating func accessCommand() throws(IMAPSyntaxError) -> AccessCommand {
    let name = try spaceAndMailbox()
    try space()
    let start = cursor.position
    let text = try astring("identifier")
    guard text.utf8.count <= limits.accessIdentifier, let identifier = AccessIdentifier(text: text) else {
      // RFC 4314 §3
      throw error("Not an identifier", at: start)
    }
    return AccessCommand(name, identifier)
  }
}

extension CommandPrinter {
  mutating func print(_ command: SetACLCommand) {
    print(AccessCommand(command.mailbox, command.identifier))
    space()
    let sign =
      switch command.mode {
      case .add: "+"
      case .remove: "-"
      case .replace: ""
      }
    astring(sign + command.rights.plain)
  }

  mutating func print(_ command: AccessCommand) {
    space()
    mailbox(command.mailbox)
    space()
    astring(command.identifier.text)
  }
}

extension ByteBuffer {
  /// `* ACL mailbox identifier rights ...` (RFC 4314 §3.6).
  public mutating func writeACL(
    _ mailbox: MailboxName, _ entries: [(identifier: AccessIdentifier, rights: AccessRights)], _ options: WireOptions
  ) {
    writeStaticString("* ACL ")
    writeMailbox(mailbox, options)
    for entry in entries {
      writeSpace()
      writeAString(entry.identifier.text, options)
      writeSpace()
      writeAString(entry.rights.shown, options)
    }
    writeCRLF()
  }

  /// `* LISTRIGHTS mailbox identifier required right ...` (RFC 4314 §3.7): each right that may be given stands alone, and
  /// so do `c` and `d` (§2.1.1).
  public mutating func writeListRights(
    _ mailbox: MailboxName, _ identifier: AccessIdentifier, required: AccessRights, _ options: WireOptions
  ) {
    writeStaticString("* LISTRIGHTS ")
    writeMailbox(mailbox, options)
    writeSpace()
    writeAString(identifier.text, options)
    writeSpace()
    writeAString(required.shown, options)
    let shown = required.shown
    for letter in AccessRights.all.shown where !shown.contains(letter) {
      writeSpace()
      writeString(String(letter))
    }
    writeCRLF()
  }

  /// `* MYRIGHTS mailbox rights` (RFC 4314 §3.8).
  public mutating func writeMyRights(_ mailbox: MailboxName, _ rights: AccessRights, _ options: WireOptions) {
    writeStaticString("* MYRIGHTS ")
    writeMailbox(mailbox, options)
    writeSpace()
    writeAString(rights.shown, options)
    writeCRLF()
  }
}
