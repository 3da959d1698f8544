import IMAPCore
import NIOCore
import Testing

private let both: NotifyEvents = [.messageNew, .messageExpunge]

private let notifications: [Fixture] = [
  Fixture("NOTIFY NONE", .notify(NotifyCommand(nil))),
  Fixture("notify set (personal none)", .notify(NotifyCommand([NotifyGroup(.personal, [])]))),
  Fixture(
    "NOTIFY SET STATUS (selected (MessageNew (uid body.peek[header.fields (from)]) MessageExpunge)) "
      + "(subtree Lists (messagenew MESSAGEEXPUNGE))",
    .notify(
      NotifyCommand(
        [
          NotifyGroup(
            .selected, both,
            items: [.uid, .bodySection(BodySection(.headerFields(["from"])), partial: nil, peek: true)]),
          NotifyGroup(.subtree([MailboxName("Lists")]), both),
        ], wantsStatus: true))),
  Fixture(
    "NOTIFY SET (mailboxes (inbox \"a b\") (SubscriptionChange MailboxName)) (inboxes (Gempa))",
    .notify(
      NotifyCommand([
        NotifyGroup(.mailboxes([.inbox, MailboxName("a b")]), [.mailboxName, .subscriptionChange]),
        NotifyGroup(.inboxes, [], unknown: ["Gempa"]),
      ]))),
]

@Suite struct NotifyTests {
  @Test(arguments: notifications)
  func `NOTIFY is read as the RFC says`(fixture: Fixture) throws {
    let frame = CommandFrame(bytes("A1 " + fixture.line))
    #expect(try frame.parse(options: fixture.options) == TaggedCommand(tag: "A1", fixture.command))
  }

  @Test(arguments: [
    "NOTIFY", "NOTIFY SET", "NOTIFY SET STATUS", "NOTIFY SET ()", "NOTIFY SET (personal)", "NOTIFY SET (personal ())",
    "NOTIFY SET (personal MessageNew)", "NOTIFY SET (personal (MessageNew))", "NOTIFY SET (personal (FlagChange))",
    "NOTIFY SET (selected (MailboxName))", "NOTIFY SET (subtree (MailboxName)))", "NOTIFY SET (mailboxes () NONE)",
    "NOTIFY SET (selected NONE) (selected-delayed NONE)", "NOTIFY SET (personal (MessageNew (UID) MessageExpunge))",
    "NOTIFY SET (selected (MessageNew () MessageExpunge))", "NOTIFY SET (everything NONE)", "NOTIFY ALL",
  ])
  func `A wrong NOTIFY is refused`(line: String) {
    #expect(throws: IMAPSyntaxError.self) { try CommandFrame(bytes("A1 " + line)).parse() }
  }

  @Test(arguments: [WireOptions.rev1, .rev2])
  func `What is printed is read back the same`(options: WireOptions) throws {
    for seed in 0..<2000 as Range<UInt64> {
      var generator = CommandGenerator(seed: seed)
      let command = TaggedCommand(tag: "t\(seed)", .notify(generator.notify()))
      var printer = CommandPrinter(options: options, nonSynchronizing: true)
      printer.print(command)
      var frame = printer.buffer
      frame.moveWriterIndex(to: frame.writerIndex - 2)
      #expect(try CommandFrame(frame).parse(options: options) == command, "seed \(seed)")
    }
  }
}

extension CommandGenerator {
  mutating func notify() -> NotifyCommand {
    guard int(0...9) > 0 else { return NotifyCommand(nil) }
    var groups: [NotifyGroup] = []
    if flip() { groups.append(selectedGroup()) }
    groups += some(groups.isEmpty ? 1...4 : 0...4) { $0.otherGroup() }
    return NotifyCommand(groups, wantsStatus: flip())
  }

  private mutating func messageEvents() -> NotifyEvents {
    guard flip() else { return [] }
    return both.union(flip() ? [.flagChange] : []).union(flip() ? [.annotationChange] : [])
  }

  private mutating func selectedGroup() -> NotifyGroup {
    var group = NotifyGroup(pick([.selected, .selectedDelayed]), messageEvents())
    if group.events.contains(.messageNew), flip() { group.items = fetch().items }
    return group
  }

  private mutating func otherGroup() -> NotifyGroup {
    let filter: NotifyFilter =
      switch int(0...4) {
      case 0: .inboxes
      case 1: .personal
      case 2: .subscribed
      case 3: .subtree(some(1...3) { $0.mailbox() })
      default: .mailboxes(some(1...3) { $0.mailbox() })
      }
    let names: [NotifyEvents] = [.mailboxName, .subscriptionChange, .mailboxMetadataChange, .serverMetadataChange]
    let more = names.filter { _ in flip() }.reduce(into: NotifyEvents()) { $0.formUnion($1) }
    return NotifyGroup(filter, messageEvents().union(more), unknown: some(0...1) { "x" + $0.atom() })
  }
}
