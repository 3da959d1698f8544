import Bytes
import IMAPCore
import NIOCore

/// Random commands that are their own canonical form: printing and reading gives the same value.
struct CommandGenerator {
  var random: SeededGenerator
  init(seed: UInt64) { random = SeededGenerator(seed: seed) }

  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
  mutating func flip() -> Bool { Bool.random(using: &random) }
  mutating func some<Value>(_ range: ClosedRange<Int>, _ make: (inout Self) -> Value) -> [Value] {
    (0..<int(range)).map { _ in make(&self) }
  }
  mutating func pick<Value>(_ values: [Value]) -> Value { values[int(0...values.count - 1)] }
  mutating func maybe<Value>(_ make: (inout Self) -> Value) -> Value? { flip() ? make(&self) : nil }

  mutating func atom() -> String {
    String(
      decoding: some(1...12) { UInt8(ascii: "!") + UInt8($0.int(0...93)) }.filter(\.isAtomCharacter) + [0x78],
      as: UTF8.self)
  }

  /// Any text without NUL and controls, now and then with line ends.
  mutating func text(lines: Bool = true) -> String {
    let scalars = some(0...20) { generator -> Unicode.Scalar in
      switch generator.int(0...9) {
      case 0: generator.pick(["\"", "\\", "&", "-", "*", "%", "{", "}", "]", "(", " "])
      case 1: Unicode.Scalar(UInt32(generator.int(0xA0...0xD7FF))) ?? "x"
      case 2: Unicode.Scalar(UInt32(generator.int(0x1F300...0x1FAFF))) ?? "x"
      case 3 where lines: generator.pick(["\r", "\n", "\t"])
      default: Unicode.Scalar(UInt8(generator.int(0x20...0x7E)))
      }
    }
    var string = ""
    string.unicodeScalars.append(contentsOf: scalars)
    return string
  }

  mutating func octets() -> ByteBuffer {
    flip() ? bytes(text()) : ByteBuffer(bytes: some(0...30) { UInt8($0.int(1...255)) })
  }

  mutating func mailbox() -> MailboxName {
    int(0...9) == 0 ? .inbox : MailboxName(some(1...4) { $0.text(lines: false) }.joined(separator: "/") + "x")
  }

  mutating func set() -> MessageSet {
    let elements = some(1...5) { generator -> MessageSet.Element in
      let first = generator.int(0...6) == 0 ? 0 : UInt32(generator.int(1...4_294_967_295))
      return generator.flip() ? .init(first) : .init(first, UInt32(generator.int(0...1000)))
    }
    if int(0...9) == 0 { return .savedResult }
    return MessageSet(elements, includesSavedResult: int(0...9) == 0)
  }

  mutating func flags() -> FlagList {
    var keywords: [String] = []
    for keyword in some(0...3, { $0.atom() }) where !keywords.contains(where: { $0.equalsIgnoringASCIICase(keyword) }) {
      keywords.append(keyword)
    }
    return FlagList(
      FlagSet(rawValue: UInt8(int(0...31))), keywords: keywords, ignored: some(0...1) { "\\X" + $0.atom() })
  }

  mutating func modifiers() -> [CommandModifier] {
    guard int(0...4) == 0 else { return [] }
    return some(1...3) { generator in
      let value: ByteBuffer? = generator.maybe { inner in
        bytes(inner.pick(["12", "1:3,*", "(1 2)", "((a) \"b (\" c)", "()"]))
      }
      return CommandModifier("X" + generator.pick(["A", "B-C"]), value: value)
    }
  }

  mutating func day() -> IMAPDay { IMAPDay(Int32(int(-300_000...2_900_000))) }

  mutating func date() -> IMAPDateTime {
    IMAPDateTime(seconds: Int64(int(-60_000_000_000...250_000_000_000)), zoneMinutes: Int16(int(-1439...1439)))
  }

  mutating func returns<Options: OptionSet>(_ type: Options.Type, _ most: Int) -> Options
  where Options.RawValue == UInt8 {
    Options(rawValue: UInt8(int(0...most)))
  }

  // MARK: FETCH

  mutating func part(_ least: Int = 0) -> [UInt32] { some(least...4) { UInt32($0.int(1...300)) } }
  mutating func partial() -> Partial? {
    maybe { Partial(offset: Int64($0.int(0...Int.max)), count: Int64($0.int(1...Int.max))) }
  }

  mutating func headerNames() -> [String] {
    some(1...4) { $0.flip() ? $0.atom() : $0.pick(["a b", "NIL", "", "x:y", "\""]) }
  }

  mutating func section() -> BodySection {
    switch int(0...5) {
    case 0: BodySection(part: part())
    case 1: BodySection(part: part(), .header)
    case 2: BodySection(part: part(), .text)
    case 3: BodySection(part: part(1), .mime)
    case 4: BodySection(part: part(), .headerFields(headerNames()))
    default: BodySection(part: part(), .headerFieldsNot(headerNames()))
    }
  }

  mutating func fetchItem() -> FetchItem {
    switch int(0...5) {
    case 0: .bodySection(section(), partial: partial(), peek: flip())
    case 1: .binary(part: part(), partial: partial(), peek: flip())
    case 2: .binarySize(part: part())
    default:
      pick([
        .flags, .uid, .internalDate, .size, .envelope, .body, .bodyStructure, .preview(lazy: flip()), .rfc822,
        .rfc822Header, .rfc822Text,
        .modSeq, .emailID, .threadID, .saveDate,
      ])
    }
  }

  mutating func fetch() -> FetchCommand {
    var items: [FetchItem] = []
    for item in some(1...6, { $0.fetchItem() }) where !items.contains(item) { items.append(item) }
    return FetchCommand(
      uid: flip(), set: set(), items: items, changedSince: rarely { $0.modSeq() }, vanished: int(0...4) == 0,
      partial: rarely { $0.partialRange() }, modifiers: modifiers())
  }

  // MARK: Synchronising

  mutating func rarely<Value>(_ make: (inout Self) -> Value) -> Value? { int(0...4) == 0 ? make(&self) : nil }
  mutating func modSeq() -> UInt64 { UInt64(int(0...Int.max)) }

  mutating func partialRange() -> PartialRange {
    PartialRange(UInt32(int(1...4_294_967_295)), UInt32(int(1...500)), fromEnd: flip())
  }

  /// Without `*` and `$`; the second is of as many numbers, and both ascend.
  mutating func knownSets() -> (MessageSet, MessageSet) {
    var (numbers, uids): ([MessageSet.Element], [MessageSet.Element]) = ([], [])
    var (number, uid): (UInt32, UInt32) = (1, 1)
    for _ in 0..<int(1...4) {
      let length = UInt32(int(0...20))
      number += UInt32(int(1...50))
      uid += UInt32(int(1...5000))
      numbers.append(.init(number, number + length))
      uids.append(.init(uid, uid + length))
      number += length
      uid += length
    }
    return (MessageSet(numbers), MessageSet(uids))
  }

  mutating func resync() -> Resync {
    let match: Resync.Match? = maybe {
      let (numbers, uids) = $0.knownSets()
      return Resync.Match(numbers: numbers, uids: uids)
    }
    return Resync(
      uidValidity: UInt32(int(1...4_294_967_295)), modSeq: modSeq(), knownUIDs: maybe { $0.knownSets().1 }, match: match
    )
  }

  mutating func objectID() -> String {
    String((0..<int(1...40)).map { _ in pick(Array("ABCxyz019_-")) })
  }

  // MARK: SEARCH

  mutating func key(_ depth: Int) -> SearchKey {
    if int(0...7) == 0 { return syncKey() }
    return switch int(0...(depth > 0 ? 9 : 6)) {
    case 0: pick([.all, .new, .flag(pick([.seen, .answered, .recent])), .unflag(pick([.recent, .draft, .deleted]))])
    case 1:
      pick([
        .keyword(atom()), .unkeyword(atom()), .larger(Int64(int(0...Int.max))), .smaller(0),
        .older(UInt32(int(1...86_400))), .younger(.max),
      ])
    case 2: pick([.before(day()), .on(day()), .since(day()), .sentBefore(day()), .sentOn(day()), .sentSince(day())])
    case 3: pick([.sequence(set()), .uid(set())])
    case 4: pick([.address(pick([.bcc, .cc, .from, .to]), octets()), .subject(octets())])
    case 5: pick([.body(octets()), .text(octets())])
    case 6: .header(name: atom(), octets())
    case 7: .not(key(depth - 1))
    case 8: .or(key(depth - 1), key(depth - 1))
    default: .and(some(2...4) { $0.key(depth - 1) })
    }
  }

  mutating func syncKey() -> SearchKey {
    switch int(0...3) {
    case 0:
      .modSeq(
        modSeq(),
        of: maybe { ModSeqEntry("/flags/" + $0.pick(["\\draft", "$x", "a\"b"]), $0.pick([.all, .private, .shared])) })
    case 1: pick([.emailID(objectID()), .threadID(objectID())])
    case 2: pick([.savedBefore(day()), .savedOn(day()), .savedSince(day()), .saveDateSupported])
    default: pick([.uidAfter(UInt32(int(1...4_294_967_295))), .uidBefore(UInt32(int(1...4_294_967_295)))])
    }
  }

  /// RETURN: with PARTIAL there is no ALL, and perhaps nothing else (RFC 9394 §3.1).
  mutating func searchReturns() -> (SearchCommand.Return?, PartialRange?) {
    guard flip() else { return (nil, nil) }
    let returns = returns(SearchCommand.Return.self, 31)
    guard int(0...2) == 0 else { return (Self.nonEmpty(returns), nil) }
    return (returns.subtracting(.all), partialRange())
  }

  // MARK: LIST

  mutating func list() -> ListCommand {
    var selection: ListCommand.Selection? = maybe { $0.returns(ListCommand.Selection.self, 15) }
    if selection?.contains(.recursiveMatch) == true { selection?.insert(.subscribed) }
    let returns: ListCommand.Return? = maybe { $0.returns(ListCommand.Return.self, 15) }
    let isListed = flip()
    return ListCommand(
      selection: selection, reference: text(lines: false),
      patterns: some(1...(isListed ? 3 : 1)) { $0.text(lines: false) }, patternsAreListed: isListed, returns: returns,
      statusItems: returns == nil ? [] : statusItems(least: 0))
  }

  mutating func statusItems(least: Int) -> [StatusItem] {
    Array(StatusItem.allCases.shuffled(using: &random).prefix(int(least...11)))
  }

  mutating func append() -> AppendCommand {
    AppendCommand(mailbox(), messages: some(1...3) { $0.appended() })
  }

  mutating func replace() -> AppendCommand {
    let number = int(0...4) == 0 ? MessageSet.star : UInt32(int(1...4_294_967_295))
    return AppendCommand(mailbox(), replaces: ReplacedMessage(uid: flip(), number: number), messages: [appended()])
  }

  mutating func appended() -> AppendCommand.Message {
    let (flags, date) = (flags(), maybe { $0.date() })
    switch int(0...3) {
    case 0:
      let parts = some(1...4) { generator -> AppendCommand.Part in
        switch generator.int(0...3) {
        case 0: .text(generator.anything())
        case 1: .utf8(generator.anything())
        default: .url(generator.octets())
        }
      }
      return .init(ByteBuffer(), flags: flags, date: date, parts: parts)
    case 1: return .init(anything(), flags: flags, date: date, isUTF8: true)
    default: return .init(anything(), flags: flags, date: date, isBinary: flip())
    }
  }

  mutating func anything() -> ByteBuffer { ByteBuffer(bytes: some(0...40) { UInt8($0.int(0...255)) }) }

  mutating func url() -> IMAPURL {
    var url = IMAPURL()
    if flip() {
      let host = pick(["example.org", "[2001:db8::1]", "10.0.0.1"])
      url.server = .init(user: maybe { $0.text() + "x" }, host: host, port: maybe { UInt16($0.int(0...65_535)) })
      url.server?.mechanism = maybe { $0.flip() ? "*" : $0.atom() }
    }
    guard int(0...9) > 0 else { return url }
    url.mailbox = mailbox()
    url.uidValidity = maybe { UInt32($0.int(1...4_294_967_295)) }
    guard int(0...4) > 0 else {
      url.search = maybe { $0.text() + "x" }
      return url
    }
    var message = IMAPURL.Message(uid: UInt32(int(1...4_294_967_295)))
    message.section = maybe { $0.section() }
    if case .whole? = message.section?.text, message.section?.part.isEmpty == true { message.section = nil }
    message.partial = maybe {
      .init(offset: Int64($0.int(0...Int.max)), count: $0.maybe { Int64($0.int(1...Int.max)) })
    }
    message.authorization = maybe { generator in
      let user = generator.text() + "x"
      return .init(
        expires: generator.maybe { Int64($0.int(-60_000_000_000...250_000_000_000)) },
        access: generator.pick([.submit(user), .user(user), .authuser, .anonymous]),
        proof: generator.maybe {
          .init(mechanism: "X-" + $0.pick(["A", "B.9"]), token: String(repeating: "0aF9", count: $0.int(8...20)))
        })
    }
    url.message = message
    return url
  }

  mutating func identifier() -> AccessIdentifier {
    let name = text()
    return AccessIdentifier(name.isEmpty || name.hasPrefix("-") ? "x" + name : name, isNegative: flip())
  }

  mutating func command() -> Command {
    switch int(0...32) {
    case 0:
      pick([.capability, .noop, .logout, .startTLS, .namespace, .idle, .close, .unselect, .check, .unauthenticate])
    case 1: .id(IDCommand(maybe { IDParameters($0.some(0...4) { .init($0.atom(), $0.maybe { $0.text() }) }) }))
    case 2: .authenticate(AuthenticateCommand(mechanism: atom().uppercased(), initialResponse: maybe { $0.octets() }))
    case 3: .login(LoginCommand(user: text(), password: text()))
    case 4: .enable(EnableCommand(some(1...3) { $0.atom().uppercased() }))
    case 5:
      .select(
        SelectCommand(
          mailbox(), readOnly: flip(), condStore: flip(), resync: maybe { $0.resync() }, modifiers: modifiers()))
    case 6:
      .create(
        CreateCommand(
          mailbox(), specialUses: MailboxAttributes(rawValue: UInt32(int(0...255)) << 16),
          unknownUses: some(0...1) { "\\x" + $0.atom() }, modifiers: modifiers()))
    case 7: .delete(mailbox())
    case 8 where flip():
      flip()
        ? .comparator(ComparatorCommand(some(0...3) { $0.text() }))
        : .language(LanguageCommand(some(0...3) { $0.text() }))
    case 8: .rename(RenameCommand(from: mailbox(), to: mailbox()))
    case 9: .subscribe(mailbox())
    case 10: .unsubscribe(mailbox())
    case 11, 12: .list(list())
    case 13: .lsub(LsubCommand(reference: text(lines: false), pattern: text(lines: false)))
    case 14: .status(StatusCommand(mailbox(), items: statusItems(least: 1)))
    case 15: .append(append())
    case 16: .getQuota(GetQuotaCommand(root: text()))
    case 17:
      .setQuota(
        SetQuotaCommand(root: text(), limits: some(0...3) { .init($0.atom().uppercased(), Int64($0.int(0...Int.max))) })
      )
    case 18: .expunge(ExpungeCommand(uids: maybe { $0.set() }))
    case 19:
      .search(search())
    case 20: .fetch(fetch())
    case 21:
      .store(
        StoreCommand(
          uid: flip(), set: set(), mode: pick([.add, .remove, .replace]), silent: flip(), flags: flags(),
          unchangedSince: rarely { $0.modSeq() }, modifiers: modifiers()))
    case 22: .sort(sort())
    case 23: .thread(thread())
    case 27:
      .resetKey(flip() ? ResetKeyCommand() : ResetKeyCommand(mailbox(), mechanisms: some(0...2) { _ in "INTERNAL" }))
    case 28:
      .genURLAuth(GenURLAuthCommand(some(1...3) { .init($0.octets(), mechanism: $0.pick(["INTERNAL", "X-A.1"])) }))
    case 29: .urlFetch(URLFetchCommand(some(1...3) { $0.octets() }))
    case 26: .replace(replace())
    case 30:
      .setACL(
        SetACLCommand(
          mailbox(), identifier(), pick([.add, .remove, .replace]), AccessRights(rawValue: UInt16(int(0...2047)))))
    case 31: flip() ? .deleteACL(AccessCommand(mailbox(), identifier())) : .getACL(mailbox())
    case 32: flip() ? .listRights(AccessCommand(mailbox(), identifier())) : .myRights(mailbox())
    case 24: .copy(CopyCommand(uid: flip(), set: set(), mailbox: mailbox()))
    default: flip() ? .move(MoveCommand(uid: flip(), set: set(), mailbox: mailbox())) : .getQuotaRoot(mailbox())
    }
  }

  mutating func search() -> SearchCommand {
    let (returns, partial) = searchReturns()
    return SearchCommand(
      uid: flip(), returns: returns, partial: partial, charset: maybe { $0.atom().uppercased() }, key: key(4))
  }

  static func nonEmpty(_ returns: SearchCommand.Return) -> SearchCommand.Return { returns.isEmpty ? .all : returns }
}
