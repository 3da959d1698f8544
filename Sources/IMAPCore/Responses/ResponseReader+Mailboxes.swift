import Bytes
import NIOCore

extension ResponseReader {
  /// mailbox-list: `(attributes) delimiter name [(extended data)]`
  mutating func mailboxLine() throws(ResponseSyntaxError) -> MailboxLine {
    var attributes: [String] = []
    try list { (reader) throws(ResponseSyntaxError) in attributes.append(reader.string(reader.wordRange())) }
    let delimiter = try nstringText()?.first
    var line = MailboxLine(attributes: attributes, delimiter: delimiter, mailbox: try mailbox())
    spaces()
    guard cursor.peek == UInt8(ascii: "(") else { return line }
    try list { (reader) throws(ResponseSyntaxError) in
      let name = try reader.nstringText()?.uppercased()
      reader.spaces()
      switch name {
      case "CHILDINFO":
        try reader.list { (reader) throws(ResponseSyntaxError) in
          line.childInfo.append(try reader.nstringText()?.uppercased() ?? "")
        }
      case "OLDNAME":
        try reader.list { (reader) throws(ResponseSyntaxError) in
          reader.spaces()
          line.oldName = reader.mailbox(try reader.wireString()).name
        }
      default: try reader.skipValue()
      }
    }
    return line
  }

  /// mailbox SP "(" status-att-list ")"
  mutating func statusData() throws(ResponseSyntaxError) -> MailboxStatusLine {
    var line = MailboxStatusLine(try mailbox())
    try list { (reader) throws(ResponseSyntaxError) in
      reader.spaces()
      let range = reader.wordRange()
      let word = reader.bytes(range)
      if word.equalsIgnoringCase("HIGHESTMODSEQ") {
        line.highestModSeq = try reader.lenientNumber().map { UInt64($0) }
        return
      }
      if word.equalsIgnoringCase("MAILBOXID") {
        try reader.list { (reader) throws(ResponseSyntaxError) in line.mailboxID = try reader.nstringText() }
        return
      }
      guard let item = StatusItem.table.value(for: word) else { return try reader.skipValue() }
      let value = try reader.lenientNumber()
      line.set(item, value)
    }
    return line
  }

  /// quota_response: root and resources of three values each.
  mutating func quota() throws(ResponseSyntaxError) -> IMAPResponse {
    let root = try nstringText() ?? ""
    var resources: [QuotaResource] = []
    try list { (reader) throws(ResponseSyntaxError) in
      let name = try reader.nstringText()?.uppercased() ?? ""
      let usage = try reader.number("a usage")
      resources.append(QuotaResource(name, usage: usage, limit: try reader.number("a limit")))
    }
    return .quota(root: root, resources)
  }

  mutating func quotaRoot() throws(ResponseSyntaxError) -> IMAPResponse {
    spaces()
    let name = mailbox(try wireString()).name
    var roots: [String] = []
    while true {
      spaces()
      guard !cursor.isAtEnd, roots.count < limits.listElements else { break }
      roots.append(try nstringText() ?? "")
    }
    return .quotaRoot(mailbox: name, roots: roots)
  }

  mutating func namespace() throws(ResponseSyntaxError) -> NamespaceResponse {
    let personal = try namespaces()
    let others = try namespaces()
    return NamespaceResponse(personal: personal, otherUsers: others, shared: try namespaces())
  }

  private mutating func namespaces() throws(ResponseSyntaxError) -> [NamespaceResponse.Entry] {
    var entries: [NamespaceResponse.Entry] = []
    try list { (reader) throws(ResponseSyntaxError) in
      try reader.open()
      reader.spaces()
      let prefix = reader.takeNil() ? "" : reader.mailbox(try reader.wireString()).name
      let separator = try reader.nstringText()?.utf8.first
      while !reader.close() { try reader.skipValue() }
      entries.append(.init(prefix: prefix, separator: separator))
    }
    return entries
  }

  mutating func idParameters() throws(ResponseSyntaxError) -> IDParameters? {
    spaces()
    if takeNil() { return nil }
    var fields: [IDParameters.Field] = []
    try list { (reader) throws(ResponseSyntaxError) in
      fields.append(.init(try reader.nstringText() ?? "", try reader.nstringText()))
    }
    return IDParameters(fields)
  }
}

extension MailboxStatusLine {
  mutating func set(_ item: StatusItem, _ value: Int64?) {
    switch item {
    case .messages: messages = value.map { Int($0) }
    case .recent: recent = value.map { Int($0) }
    case .uidNext: uidNext = value.flatMap { UInt32(exactly: $0) }
    case .uidValidity: uidValidity = value.flatMap { UInt32(exactly: $0) }
    case .unseen: unseen = value.map { Int($0) }
    case .deleted: deleted = value.map { Int($0) }
    case .size: size = value
    case .appendLimit: appendLimit = value
    case .deletedStorage: deletedStorage = value
    case .highestModSeq: highestModSeq = value.map { UInt64($0) }
    // No number.
    case .mailboxID: break
    }
  }
}
