import Bytes
import IMAPCore
public import MailNet
import NIOCore

extension IMAPClient {
  /// All mailboxes of the personal namespace; with `status`, by LIST-STATUS or pipelined STATUS. The selected mailbox is
  /// never asked by STATUS (RFC 9051 §6.3.11): its status is what SELECT and later news said.
  public func mailboxes(status: Bool) async throws(ClientError) -> [RemoteMailbox] {
    if status, let listed {
      self.listed = nil
      return try listed.get()
    }
    var batch = CommandBatch()
    let listing = addListing(status: status, to: &batch)
    try await send(batch)
    return try await readListing(listing).get()
  }

  /// LIST on the way, and LSUB where the server has no better.
  struct SentListing {
    var list: SentCommand
    var lsub: SentCommand?
    var wantsStatus: Bool
    /// STATUS comes with it.
    var asksStatus: Bool
  }

  func addListing(status: Bool, to batch: inout CommandBatch) -> SentListing {
    let isExtended = has("LIST-EXTENDED")
    let asksStatus = status && isExtended && has("LIST-STATUS")
    var returns: [String] = []
    if isExtended { returns += ["SUBSCRIBED", "CHILDREN"] }
    if isExtended, has("SPECIAL-USE") { returns.append("SPECIAL-USE") }
    if asksStatus { returns.append("STATUS (\(statusItems))") }
    let list = add("LIST", to: &batch) { printer in
      printer.word(#"LIST "" "*""#)
      // RFC 5258 §3.
      if !returns.isEmpty { printer.text(" RETURN (\(returns.joined(separator: " ")))") }
    }
    let lsub = isExtended ? nil : add("LSUB", to: &batch) { $0.word(#"LSUB "" "*""#) }
    return SentListing(list: list, lsub: lsub, wantsStatus: status, asksStatus: asksStatus)
  }

  /// - Returns: a failure only where the server refuses LIST.
  func readListing(_ sent: SentListing) async throws(ClientError) -> Result<[RemoteMailbox], ClientError> {
    var found = Listing()
    let take = { (response: IMAPResponse) throws(ClientError) -> Bool in
      try self.take(response, into: &found, takesStatus: sent.asksStatus)
    }
    let line = try await finish(sent.list, take)
    // Subscriptions are no more than an ornament.
    if let lsub = sent.lsub { _ = try await finish(lsub, take) }
    if let refusal = refusal(line, sent.list.name) { return .failure(refusal) }
    var mailboxes = found.mailboxes(where: isPersonal)
    guard sent.wantsStatus else { return .success(mailboxes) }
    let known = found.statuses
    if !known.isEmpty || sent.asksStatus {
      for index in mailboxes.indices { mailboxes[index].status = known[mailboxes[index].name] }
    } else {
      try await addStatus(to: &mailboxes)
    }
    return .success(mailboxes)
  }

  private func take(
    _ response: IMAPResponse, into found: inout Listing, takesStatus: Bool
  ) throws(ClientError) -> Bool {
    switch response {
    case .list(let line):
      guard found.lines.count < IMAPClientLimits.mailboxes else {
        isBroken = true
        throw failure(.protocolViolation("it lists more than \(IMAPClientLimits.mailboxes) mailboxes"))
      }
      remember(line.mailbox)
      found.lines.append(line)
    case .lsub(let line) where found.subscribed.count < IMAPClientLimits.mailboxes:
      found.subscribed.insert(line.mailbox.name)
    case .mailboxStatus(let line) where takesStatus: found.statuses[line.mailbox.name] = RemoteStatus(line)
    default: return false
    }
    return true
  }

  private func remember(_ mailbox: WireMailbox) {
    if let octets = mailbox.octets {
      wireNames[mailbox.name] = ByteBuffer(bytes: octets.readableBytesView)
    } else if !wireNames.isEmpty {
      wireNames[mailbox.name] = nil
    }
  }

  /// Not another user's, nor shared.
  private func isPersonal(_ name: String) -> Bool {
    if name == "INBOX" { return true }
    if otherNamespaces.contains(where: { isWithin(name, $0) }) { return false }
    return namespace.prefix.isEmpty || isWithin(name, namespace.prefix)
  }

  /// `name` begins with `prefix`, or is what the prefix names without its delimiter.
  private func isWithin(_ name: String, _ prefix: String) -> Bool {
    if name.hasPrefix(prefix) { return true }
    guard let delimiter = namespace.delimiter, prefix.last == delimiter else { return false }
    return name == prefix.dropLast()
  }

  /// The name of a mailbox as an argument.
  func write(_ mailbox: String, to printer: inout CommandPrinter) {
    if let octets = wireNames[mailbox] {
      printer.astring(octets.readableBytesSpan)
    } else {
      printer.mailbox(mailbox)
    }
  }

  // MARK: STATUS

  private var statusItems: String {
    var items = ["MESSAGES", "UNSEEN", "UIDNEXT", "UIDVALIDITY"]
    if has("CONDSTORE") || has("QRESYNC") { items.append("HIGHESTMODSEQ") }
    if has("STATUS=SIZE") { items.append("SIZE") }
    return items.joined(separator: " ")
  }

  public func status(_ mailbox: String) async throws(ClientError) -> RemoteStatus {
    let command = try await begin("STATUS") { writeStatus(mailbox, to: &$0) }
    var status: RemoteStatus?
    _ = try await finished(command) { response in
      // One command, one answer: however the server spells the name.
      guard case .mailboxStatus(let line) = response, line.mailbox.name == mailbox || status == nil else {
        return false
      }
      status = RemoteStatus(line)
      return true
    }
    guard let status else { throw failure(.protocolViolation("STATUS brought no answer for \(mailbox)")) }
    return status
  }

  private func writeStatus(_ mailbox: String, to printer: inout CommandPrinter) {
    printer.word("STATUS ")
    write(mailbox, to: &printer)
    printer.text(" (\(statusItems))")
  }

  private func addStatus(to mailboxes: inout [RemoteMailbox]) async throws(ClientError) {
    var places: [String: Int] = [:]
    var waiting: [SentCommand] = []
    var next = 0
    while next < mailboxes.count || !waiting.isEmpty {
      var batch = CommandBatch()
      while next < mailboxes.count, waiting.count < IMAPClientLimits.statusWindow {
        defer { next += 1 }
        let name = mailboxes[next].name
        guard mailboxes[next].isSelectable else { continue }
        if name == selected?.name {
          mailboxes[next].status = selectedStatus
          continue
        }
        places[name] = next
        waiting.append(add("STATUS", to: &batch) { writeStatus(name, to: &$0) })
      }
      try await send(batch)
      guard !waiting.isEmpty else { continue }
      // A mailbox that may not be looked into has no status.
      _ = try await finish(waiting.removeFirst()) { response in
        guard case .mailboxStatus(let line) = response, let place = places[line.mailbox.name] else { return false }
        mailboxes[place].status = RemoteStatus(line)
        return true
      }
    }
  }

  private var selectedStatus: RemoteStatus? {
    guard let selected else { return nil }
    var status = RemoteStatus()
    status.messages = selected.exists
    status.uidNext = selected.uidNext
    status.uidValidity = selected.uidValidity
    status.highestModSeq = selected.highestModSeq
    return status
  }

  // MARK: Changes

  public func create(_ mailbox: String) async throws(ClientError) { try await change("CREATE", mailbox) }
  public func delete(_ mailbox: String) async throws(ClientError) { try await change("DELETE", mailbox) }
  public func rename(_ mailbox: String, to newName: String) async throws(ClientError) {
    try await change("RENAME", mailbox, newName)
  }
  public func subscribe(_ mailbox: String, _ subscribed: Bool) async throws(ClientError) {
    try await change(subscribed ? "SUBSCRIBE" : "UNSUBSCRIBE", mailbox)
  }

  private func change(_ keyword: StaticString, _ mailboxes: String...) async throws(ClientError) {
    let command = try await begin("\(keyword)") { printer in
      printer.word(keyword)
      for mailbox in mailboxes {
        printer.space()
        write(mailbox, to: &printer)
      }
    }
    _ = try await finished(command) { response in
      // RFC 9051 §6.3.4: the server may tell what name it made of it.
      if case .list = response { true } else { false }
    }
  }
}

private struct Listing {
  var lines: [MailboxLine] = []
  var subscribed: Set<String> = []
  var statuses: [String: RemoteStatus] = [:]

  /// Each name once, in the order of the server.
  func mailboxes(where isWanted: (String) -> Bool) -> [RemoteMailbox] {
    var places: [String: Int] = [:]
    var mailboxes: [RemoteMailbox] = []
    for line in lines where isWanted(line.mailbox.name) {
      var attributes = Set(line.attributes.map { $0.lowercased() })
      if subscribed.contains(line.mailbox.name) { attributes.insert("\\subscribed") }
      if let place = places[line.mailbox.name] {
        mailboxes[place].attributes.formUnion(attributes)
        continue
      }
      places[line.mailbox.name] = mailboxes.count
      mailboxes.append(RemoteMailbox(name: line.mailbox.name, delimiter: line.delimiter, attributes: attributes))
    }
    return mailboxes
  }
}
