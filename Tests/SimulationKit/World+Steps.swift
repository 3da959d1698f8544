import Bytes
import MailStore
import MailTestKit
import NIOCore

extension World {
  /// Carries out one step; what came of it, for all to compare. Throws when an answer stays away.
  func perform(_ step: SimulationScript.Step) async throws -> String {
    var text: String
    switch step {
    case .say(let number, let words):
      guard let client = script.client(number) else { return "no such session\r\n" }
      text = try await say(words, client)
    case .drop(let number):
      guard let client = script.client(number) else { return "no such session\r\n" }
      try await hangUp(client)
      text = ""
    case .clock(let seconds):
      clock.advance(seconds)
      text = ""
    case .quota(let name, let octets, let messages, let mailboxes):
      guard let account = try await store.account(named: name) else { return "no such account\r\n" }
      let changed = try await store.updateAccount(
        account.id, AccountChange(quota: QuotaLimits(bytes: octets, messages: messages, mailboxes: mailboxes)))
      text = "\(changed.quota)\r\n"
    case .bring(let item): text = try await bring(item)
    case .reopen:
      try await reopen()
      text = ""
    case .compact:
      let report = try await store.compact()
      text = "purged \(report.purgedMessages)\r\n"
    case .expire:
      text = "expired \(try await store.expireRetrieved(of: nil, now: clock.now))\r\n"
    case .compare:
      text = try await dump()
    }
    try await settle()
    for client in script.clients { text += try await pushes(client) }
    return text
  }

  /// An import by the contract, as `merpati import` does it. What is refused is named without its numbers.
  private func bring(_ item: SimulationScript.Imported) async throws -> String {
    guard let account = try await store.account(named: item.account) else { return "no such account\r\n" }
    do throws(StoreError) {
      let info = try await store.prepareImport(
        ImportedMailbox(name: item.mailbox, uidValidity: item.uidValidity, isSubscribed: true), of: account.id)
      let incoming = store.newIncomingMessage()
      // In the store every line ends in CRLF; its callers see to that.
      try await incoming.append(Self.normalised(SimulatedMessage.bytes(item.message)))
      let message = AppendedMessage(
        message: try await incoming.finish(), flags: .seen, keywords: ["$Imported"],
        date: InternalDate(seconds: 1_000_000_000, zoneMinutes: 420), uid: item.uid, uidl: item.uidl)
      let given = try await store.append([message], to: item.mailbox, of: account.id)
      let validity = normaliser.name(.validity, "\(given.uidValidity)", account.name)
      return "imported \(info.name) \(validity) \(given.assigned)\r\n"
    } catch {
      guard case .importRefused(let why) = error else {
        return "refused: \("\(error)".prefix { $0 != "(" })\r\n"
      }
      return "refused: \("\(why)".prefix { $0 != "(" })\r\n"
    }
  }

  private static func normalised(_ message: ByteBuffer) -> ByteBuffer {
    var normalizer = LineEndNormalizer()
    var result = normalizer.normalize(message)
    normalizer.finish(into: &result)
    return result
  }

  /// What a session was told without having asked; only IDLE hears at once.
  private func pushes(_ client: SimulationScript.Client) async throws -> String {
    guard let line = lines[client.number] else { return "" }
    let answer = line.peer.take()
    guard !answer.text.isEmpty || answer.isOver else { return "" }
    var text = normaliser.imap(answer.text, account: client.account)
      .split(separator: "\r\n", omittingEmptySubsequences: false).dropLast()
      .map { "session \(client.number) hears: \($0)\r\n" }.joined()
    if answer.isOver || Self.saysBye(answer.text) {
      try await hangUp(client)
      text += "session \(client.number) is over\r\n"
    }
    return text
  }

  private func say(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    var text = ""
    if lines[client.number] == nil {
      text += try await greet(client)
      guard lines[client.number] != nil else { return text }
    }
    switch client.speech {
    case .imap, .imap2: text += try await sayIMAP(numbered(words, client), client)
    case .pop3: text += try await sayPOP3(words, client)
    case .lmtp: text += try await sayLMTP(words, client)
    }
    return text
  }

  /// `{modseq N}` is the MODSEQ this client's account heard of N others ago, `{validity NAME}` a mailbox's UIDVALIDITY: the
  /// stores have numbers of their own. `{url N}` is a URL that was given out N others ago, to whomever; `{context N}` the tag of
  /// a search that asked for updates.
  private func numbered(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    guard ["{modseq ", "{validity ", "{url ", "{context "].contains(where: words.contains) else { return words }
    var result = ""
    var rest = words[...]
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      let token = rest[rest.index(after: open)..<close].split(separator: " ", maxSplits: 1).map(String.init)
      result += rest[..<open]
      rest = rest[rest.index(after: close)...]
      switch token.first {
      case "modseq": result += normaliser.modSeq(Int(token[1]) ?? 0, client.account)
      case "validity":
        let account = try await store.account(named: client.account)
        let info =
          if let account { try await store.mailbox(named: token[1], of: account.id) } else { MailboxInfo?.none }
        result += "\(info?.uidValidity ?? 1)"
      case "url": result += "\"\(urls.dropLast(Int(token[1]) ?? 0).last ?? "imap://nowhere")\""
      case "context":
        result += "\"\(lines[client.number]?.updates.dropLast(Int(token[1]) ?? 0).last ?? "nothing")\""
      default: result += "{\(token.joined(separator: " "))}"
      }
    }
    return result + rest
  }

  // MARK: Connecting

  /// Connects and logs in. Without success there is no connection afterwards.
  private func greet(_ client: SimulationScript.Client) async throws -> String {
    lines[client.number] = Line(peer: try await connect(client.speech))
    var text = try await exchange(client, nil, .line)
    switch client.speech {
    case .imap, .imap2:
      text += try await tagged("LOGIN \(client.account) \(Self.password)", client)
      if client.speech == .imap2 { text += try await tagged("ENABLE IMAP4rev2", client) }
    case .pop3:
      text += try await exchange(client, "USER \(client.account)\r\n", .line)
      let answer = try await exchange(client, "PASS \(Self.password)\r\n", .line)
      text += answer
      if answer.hasPrefix("-") { try await hangUp(client) }
    case .lmtp: text += try await exchange(client, "LHLO client.example.org\r\n", .replies(1))
    }
    return text
  }

  /// One exchange; the connection is gone afterwards if the server has ended it.
  private func exchange(
    _ client: SimulationScript.Client, _ bytes: ByteBuffer?, _ framing: Framing
  ) async throws -> String {
    guard let line = lines[client.number] else { return "" }
    let answer = try await line.peer.exchange(bytes, framing)
    if answer.isOver { try await hangUp(client) }
    return answer.text
  }

  private func exchange(
    _ client: SimulationScript.Client, _ text: String, _ framing: Framing
  ) async throws -> String {
    try await exchange(client, ByteBuffer(string: text), framing)
  }

  // MARK: IMAP

  static func saysBye(_ text: String) -> Bool {
    text.contains("* BYE ")
      && Framing.scanIMAP(ByteBuffer(string: text).readableBytesView) { $0.starts(with: "* BYE ".utf8) }
  }

  private func tag(_ client: SimulationScript.Client) -> String {
    lines[client.number]?.commands += 1
    return "a\(lines[client.number]?.commands ?? 0)"
  }

  private func tagged(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    let tag = tag(client)
    if words.contains("(UPDATE ") { lines[client.number]?.updates.append(tag) }
    var bytes = ByteBuffer(string: tag + " ")
    Self.write(words, to: &bytes)
    let answer = try await exchange(client, bytes, .tagged(tag))
    if words.hasPrefix("GENURLAUTH ") {
      urls += answer.split(separator: "\"").map(String.init).filter { $0.hasPrefix("imap://") }
    }
    return try await ended(answer, client)
  }

  /// BYE ends the connection, whoever closes it first.
  private func ended(_ text: String, _ client: SimulationScript.Client) async throws -> String {
    if Self.saysBye(text) { try await hangUp(client) }
    return normaliser.imap(text, account: client.account)
  }

  private func sayIMAP(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    var text = ""
    if let idle = lines[client.number]?.idle {
      lines[client.number]?.idle = nil
      text += try await ended(exchange(client, "DONE\r\n", .tagged(idle)), client)
      guard lines[client.number] != nil else { return text }
    }
    if words == "DONE" { return text }
    guard words == "IDLE" else { return try await text + tagged(words, client) }
    let tag = tag(client)
    let answer = try await exchange(client, "\(tag) IDLE\r\n", .continuation(tag))
    if Framing.scanIMAP(ByteBuffer(string: answer).readableBytesView, { $0.starts(with: "+ ".utf8) }) {
      lines[client.number]?.idle = tag
    }
    return try await text + ended(answer, client)
  }

  /// The line with its CRLF; `{message N}` becomes a literal with that message.
  private static func write(_ words: String, to bytes: inout ByteBuffer) {
    var rest = words[...]
    while let open = rest.range(of: "{message "), let close = rest[open.upperBound...].firstIndex(of: "}"),
      let number = Int(rest[open.upperBound..<close])
    {
      let message = SimulatedMessage.bytes(number)
      bytes.writeString(rest[..<open.lowerBound] + "{\(message.readableBytes)+}\r\n")
      bytes.writeImmutableBuffer(message)
      rest = rest[rest.index(after: close)...]
    }
    bytes.writeString(rest + "\r\n")
  }

  // MARK: POP3

  private func sayPOP3(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    let parts = words.split(separator: " ")
    let isLong =
      ["RETR", "TOP", "CAPA"].contains(parts[0]) || (["LIST", "UIDL"].contains(parts[0]) && parts.count == 1)
    let answer = try await exchange(client, words + "\r\n", isLong ? .multiline : .line)
    if parts[0] == "QUIT" { try await hangUp(client) }
    return parts[0] == "UIDL" ? normaliser.uidls(answer, account: client.account) : answer
  }

  // MARK: LMTP

  /// `deliver to NAME... {message N}` is a whole transaction with DATA, `bdat` the same with BDAT.
  private func sayLMTP(_ words: String, _ client: SimulationScript.Client) async throws -> String {
    let parts = words.split(separator: " ").map(String.init)
    guard parts[0] == "deliver" || parts[0] == "bdat" else {
      let answer = try await exchange(client, words + "\r\n", .replies(1))
      if parts[0] == "QUIT" { try await hangUp(client) }
      return answer
    }
    var text = try await exchange(client, "MAIL FROM:<sender@example.net>\r\n", .replies(1))
    var accepted = 0
    for name in parts.dropFirst(2).prefix(while: { !$0.hasPrefix("{") }) {
      let answer = try await exchange(client, "RCPT TO:<\(name)>\r\n", .replies(1))
      if answer.hasPrefix("2") { accepted += 1 }
      text += answer
    }
    let number = parts.last.flatMap { Int($0.dropLast()) } ?? 0
    guard accepted > 0 else { return try await text + exchange(client, "RSET\r\n", .replies(1)) }
    let message = SimulatedMessage.bytes(number)
    if parts[0] == "bdat" {
      var bytes = ByteBuffer(string: "BDAT \(message.readableBytes) LAST\r\n")
      bytes.writeImmutableBuffer(message)
      return try await text + exchange(client, bytes, .replies(accepted))
    }
    text += try await exchange(client, "DATA\r\n", .replies(1))
    return try await text + exchange(client, Self.stuffed(message), .replies(accepted))
  }

  /// With dots stuffed, line ends mended and the final dot (RFC 5321 §4.5.2).
  private static func stuffed(_ message: ByteBuffer) -> ByteBuffer {
    var result = ByteBuffer()
    for line in String(buffer: message).utf8.split(separator: 10, omittingEmptySubsequences: false) {
      let bare = line.last == 13 ? line.dropLast() : line
      if bare.first == UInt8(ascii: ".") { result.writeString(".") }
      result.writeBytes(bare)
      result.writeString("\r\n")
    }
    result.writeString(".\r\n")
    return result
  }
}

extension Substring {
  /// Foundation is not needed for this.
  fileprivate func range(of text: String) -> Range<Index>? {
    var start = startIndex
    while let first = self[start...].firstIndex(of: text.first ?? " ") {
      if self[first...].hasPrefix(text) { return first..<index(first, offsetBy: text.count) }
      start = index(after: first)
    }
    return nil
  }
}
