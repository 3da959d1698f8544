import Bytes
import IMAPCore
import NIOCore
import Testing

/// What the server's writers write, the client's readers read.
@Suite struct ResponseRoundTripTests {
  private func read(
    _ seed: Int, _ options: WireOptions = .rev1, _ write: (inout ByteBuffer) -> Void
  ) throws -> IMAPResponse {
    var buffer = ByteBuffer()
    write(&buffer)
    // The framer must see one response, wherever the bytes are cut.
    var framer = ResponseFramer()
    let cut = seed % max(1, buffer.readableBytes)
    framer.receive(buffer.getSlice(at: 0, length: cut) ?? ByteBuffer())
    if case .response = framer.next() { Issue.record("a response before its end, seed \(seed)") }
    framer.receive(buffer.getSlice(at: cut, length: buffer.readableBytes - cut) ?? ByteBuffer())
    guard case .response(let frame) = framer.next(), framer.next() == .needMore, framer.isIdle else {
      Issue.record("not one response, seed \(seed): \(String(buffer: buffer))")
      throw NotThat()
    }
    return try frame.parse(options: options)
  }

  private func code(_ generator: inout CommandGenerator) -> ResponseCode {
    let numbers = Array(Set(generator.some(1...8) { UInt32($0.int(1...60)) }))
    let modified = generator.some(1...4) { inner -> ClosedRange<UInt32> in
      let first = UInt32(inner.int(1...1000))
      return first...(first + UInt32(inner.int(0...5)))
    }
    return generator.pick([
      .alert, .authenticationFailed, .authorizationFailed, .closed, .noModSeq, .notificationOverflow, .privacyRequired,
      .uidNotSticky, .unknownCTE, .compressionActive, .expungeIssued, .readOnly, .tryCreate,
      .appendUID(validity: 7, assigned: numbers), .copyUID(validity: 8, source: numbers, assigned: numbers.reversed()),
      .badCharset([]), .badCharset(["UTF-8", "US-ASCII", "a b"]), .capability(["IMAP4REV1", "X"]),
      .highestModSeq(UInt64(generator.int(0...Int.max))), .modified(modified),
      .inProgress(tag: nil, progress: nil, goal: nil), .inProgress(tag: "a[1", progress: nil, goal: nil),
      .inProgress(tag: nil, progress: 0, goal: nil), .inProgress(tag: "a", progress: 175, goal: .max),
      .permanentFlags(
        FlagSet(rawValue: UInt8(generator.int(0...63))), keywords: ["$A", "b"], acceptsNewKeywords: generator.flip()),
      .uidNext(.max), .uidValidity(UInt32(generator.int(1...4_294_967_295))), .unseen(3), .other("X-NEW \"]\" (1 2)"),
    ])
  }

  @Test func `Status responses and codes`() throws {
    for seed in 0..<4000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let code = generator.flip() ? code(&generator) : nil
      let condition = generator.pick([ResponseCondition.ok, .no, .bad])
      var text = generator.text(lines: false)
      // A text may not begin as a code does.
      if let first = text.utf8.first, first != .space, first != UInt8(ascii: "[") {} else { text = "x" + text }
      let line = StatusLine(condition, code: code, text: text)
      #expect(try read(seed) { $0.writeTagged("M1", condition, code, text) } == .tagged(tag: "M1", line))
      #expect(try read(seed) { $0.writeUntagged(condition, code, text) } == .status(line))
      if let code { #expect(!code.name.contains(" ") && code.name == code.name.uppercased()) }
    }
  }

  @Test(arguments: [WireOptions.rev1, .rev2])
  func `Mailbox data`(options: WireOptions) throws {
    for seed in 0..<3000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let name = generator.mailbox()
      let attributes = MailboxAttributes(rawValue: UInt32(generator.int(0...0xFF_FFFF)) & 0xFF_01FF)
      var list = ListResponse(
        name, attributes: attributes, separator: generator.pick([nil, UInt8(ascii: "/"), UInt8(ascii: "\\"), .quote]))
      list.hasSubscribedChild = generator.flip()
      list.oldName = generator.maybe { $0.mailbox() }
      guard case .list(let back) = try read(seed, options, { $0.writeList(list, options) }) else { throw NotThat() }
      #expect(back.mailbox == WireMailbox(name.string), "seed \(seed)")
      #expect(back.delimiter?.utf8.first == list.separator)
      #expect(MailboxAttributes(back.attributes.compactMap { MailboxAttributes(name: $0) }) == attributes)
      #expect(back.childInfo == (list.hasSubscribedChild ? ["SUBSCRIBED"] : []))
      #expect(back.oldName == list.oldName?.string, "seed \(seed)")

      let values = StatusValues(
        messages: generator.int(0...99), recent: 1, uidNext: .max, uidValidity: 7, unseen: 3, deleted: 4,
        size: Int64(generator.int(0...Int.max)), appendLimit: generator.maybe { Int64($0.int(0...99)) },
        deletedStorage: 5, highestModSeq: UInt64(generator.int(1...Int.max)), mailboxID: generator.objectID())
      var expected = MailboxStatusLine(WireMailbox(name.string))
      expected.messages = values.messages
      expected.recent = 1
      expected.uidNext = .max
      expected.uidValidity = 7
      expected.unseen = 3
      expected.deleted = 4
      expected.size = values.size
      expected.appendLimit = values.appendLimit
      expected.deletedStorage = 5
      expected.highestModSeq = values.highestModSeq
      expected.mailboxID = values.mailboxID
      #expect(
        try read(seed, options) { $0.writeStatus(name, StatusItem.allCases, values, options) }
          == .mailboxStatus(expected))
      let root = generator.text()
      let resources = [QuotaResource("STORAGE", usage: 1, limit: Int64(generator.int(0...Int.max)))]
      #expect(
        try read(seed, options) { $0.writeQuota(root: root, resources, options) } == .quota(root: root, resources))
      #expect(
        try read(seed, options) { $0.writeQuotaRoot(name, roots: [root, ""], options) }
          == .quotaRoot(mailbox: name.string, roots: [root, ""]), "seed \(seed)")
      let namespace = NamespaceResponse(
        personal: [.init(prefix: ""), .init(prefix: name.string, separator: nil)],
        otherUsers: generator.flip() ? [] : [.init(prefix: "~")])
      #expect(try read(seed, options) { $0.writeNamespace(namespace, options) } == .namespace(namespace))
      let id = generator.maybe { inner in
        IDParameters(inner.some(0...4) { .init($0.atom(), $0.maybe { $0.text() }) })
      }
      #expect(try read(seed, options) { $0.writeID(id, options) } == .id(id), "seed \(seed)")
    }
  }

  @Test func `Searches and sets`() throws {
    for seed in 0..<1000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      let numbers = Set(generator.some(0...30) { UInt32($0.int(1...100)) }).sorted()
      #expect(try read(seed) { $0.writeSearch(numbers) } == .search(SearchLine(numbers)))
      let found = ESearchResponse(
        tag: generator.maybe { $0.atom() }, uid: generator.flip(), min: numbers.first, max: numbers.last, all: numbers,
        count: numbers.count)
      guard case .esearch(let back) = try read(seed, .rev1, { $0.writeESearch(found) }) else { throw NotThat() }
      #expect(back.tag == found.tag && back.isUID == found.uid && back.min == found.min && back.max == found.max)
      #expect((back.all ?? []).flatMap { Array($0) } == numbers && back.count == numbers.count)
    }
  }

  @Test func `FETCH lines`() throws {
    for seed in 0..<4000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      var expected = FetchResponse(sequence: UInt32(generator.int(1...4_294_967_295)))
      var flags = generator.flags()
      flags.ignored = []
      let date = generator.date()
      let items = generator.some(0...4) { inner in
        (inner.fetchItem(), inner.maybe { $0.octets() })
      }
      let sequence = expected.sequence
      expected.uid = 77
      expected.flags = flags
      expected.size = 123
      expected.internalDate = date
      for (item, value) in items {
        guard let name = Self.name(item) else { continue }
        expected.sections.append(SectionValue(name, bytes: value))
      }
      let back = try read(seed) { buffer in
        var line = FetchLine(sequence: sequence, into: &buffer)
        line.writeUID(77, into: &buffer)
        line.writeFlags(
          flags.system, keywords: (1 << UInt64(flags.keywords.count)) - 1, names: flags.keywords, into: &buffer)
        for (item, value) in items where Self.name(item) != nil { line.writeSection(item, value, into: &buffer) }
        line.writeSize(123, into: &buffer)
        line.writeInternalDate(date, into: &buffer)
        line.end(into: &buffer)
      }
      #expect(back == .fetch(expected), "seed \(seed)")
    }
  }

  private static func name(_ item: FetchItem) -> SectionName? {
    switch item {
    case .bodySection(let section, let partial, _): SectionName(section, origin: partial?.offset)
    case .binary(let part, let partial, _):
      SectionName(BodySection(part: part), origin: partial?.offset, isBinary: true)
    case .rfc822: SectionName(BodySection())
    case .rfc822Header: SectionName(BodySection(.header))
    case .rfc822Text: SectionName(BodySection(.text))
    default: nil
    }
  }

  @Test func `Any bytes are read or refused, cut anywhere alike`() {
    let seeds = [
      "* 1 FETCH (UID 7 BODY[] {12}\r\nhello\r\nworld ENVELOPE (NIL \"s\" ((\"a\" NIL \"b\" \"c\")) NIL) FLAGS (\\Seen))\r\n",
      "* LIST (\\Sent) \"/\" {3}\r\na b (\"OLDNAME\" (x))\r\n* OK [COPYUID 1 2:3 4:5] x\r\n* VANISHED (EARLIER) 1:9\r\n",
      "* 2 FETCH (BODYSTRUCTURE ((\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 5 1) \"MIXED\" (\"B\" \"x\")))\r\nM1 OK x\r\n",
    ]
    var limits = ResponseLimits()
    limits.whole = 10
    for seed in 0..<6000 {
      var generator = CommandGenerator(seed: UInt64(seed))
      var octets = Array(generator.pick(seeds).utf8)
      for _ in 0..<generator.int(1...6) {
        let place = generator.int(0...octets.count - 1)
        switch generator.int(0...3) {
        case 0: octets.remove(at: place)
        case 1:
          octets.insert(
            contentsOf: generator.pick(["(", ")", "{1}\r\n", "\"", " ", "NIL", "\r\n", "9"]).utf8, at: place)
        case 2: octets[place] = UInt8(generator.int(0...255))
        default: octets.removeSubrange(place..<min(octets.count, place + generator.int(1...9)))
        }
        if octets.isEmpty { octets = [0x2A] }
      }
      let cut = generator.int(0...octets.count)
      var whole = ResponseFramer(limits: limits)
      var parts = ResponseFramer(limits: limits)
      let seen = drive(&whole, [ByteBuffer(bytes: octets)])
      #expect(
        drive(&parts, [ByteBuffer(bytes: octets[..<cut]), ByteBuffer(bytes: octets[cut...])]) == seen, "seed \(seed)")
      for case .line(let line) in seen { _ = try? response(line, limits: limits) }
    }
  }
}
