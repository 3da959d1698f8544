import IMAPCore
import Testing

@testable import MailSync

@Suite("Merge rules")
struct MergeRulesTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var what: String
    var hasFile = true
    var isGone = false
    var isVoid = false
    var isPaired = true
    var remote: SyncFlags = .seen
    var local: SyncFlags = .seen
    var sync: MergeRules.Decision
    var mirror: MergeRules.Decision
    var testDescription: String { what }
  }

  static let table: [Row] = [
    Row(what: "new on the server", hasFile: false, isPaired: false, sync: .download, mirror: .download),
    Row(what: "new and gone again", hasFile: false, isGone: true, isPaired: false, sync: .forget, mirror: .forget),
    Row(what: "on both sides", sync: .both, mirror: .both),
    Row(what: "gone on the server", isGone: true, sync: .deleteLocally, mirror: .deleteLocally),
    Row(
      what: "gone on the server, flagged here", isGone: true, local: .flagged, sync: .keepLocal, mirror: .deleteLocally),
    Row(
      what: "gone on the server, marked as deleted here", isGone: true, local: SyncFlags([.seen, .deleted]),
      sync: .deleteLocally, mirror: .deleteLocally),
    Row(what: "deleted here", hasFile: false, sync: .deleteRemotely, mirror: .download),
    Row(what: "deleted here, flagged there", hasFile: false, remote: .flagged, sync: .keepRemote, mirror: .download),
    Row(
      what: "deleted here, marked as deleted there", hasFile: false, remote: SyncFlags([.seen, .deleted]),
      sync: .deleteRemotely, mirror: .download),
    Row(what: "deleted on both sides", hasFile: false, isGone: true, sync: .forget, mirror: .forget),
    Row(what: "UID without meaning", isGone: true, isVoid: true, sync: .keepLocal, mirror: .keepLocal),
    Row(
      what: "UID without meaning, no file", hasFile: false, isGone: true, isVoid: true, sync: .forget, mirror: .forget),
  ]

  @Test("Each state of a message has its decision", arguments: table)
  func decisions(row: Row) {
    var message = KnownMessage(uid: 1, remote: row.remote, size: 10)
    message.base = row.isPaired ? "base" : nil
    message.agreed = row.isPaired ? .seen : nil
    message.isGone = row.isGone
    message.isVoid = row.isVoid
    let local = row.hasFile ? row.local : nil
    #expect(MergeRules.decide(message, local: local, oneWay: false) == row.sync)
    #expect(MergeRules.decide(message, local: local, oneWay: true) == row.mirror)
  }

  @Test("Without an ancestor nothing is deleted")
  func noAncestor() {
    var message = KnownMessage(uid: 1, remote: .seen, size: 10)
    message.base = "base"
    #expect(MergeRules.decide(message, local: nil, oneWay: false) == .keepRemote)
  }

  @Test("Of every flag, who changed it is right", arguments: [FlagSet.seen, .answered, .flagged, .deleted, .draft])
  func systemFlags(flag: FlagSet) {
    for bits in 0..<8 {
      let (ancestor, local, remote) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)
      let expected = local != ancestor ? local : remote
      func flags(_ isSet: Bool) -> SyncFlags { isSet ? SyncFlags(flag) : SyncFlags() }
      let merged = SyncFlags.merge(ancestor: flags(ancestor), local: flags(local), remote: flags(remote))
      #expect(merged == flags(expected), "ancestor \(ancestor), local \(local), remote \(remote)")
    }
  }

  @Test("Of every keyword, who changed it is right, in whatever case it is written")
  func keywords() {
    for bits in 0..<8 {
      let (ancestor, local, remote) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0)
      let expected = local != ancestor ? local : remote
      let merged = SyncFlags.merge(
        ancestor: ancestor ? .keyword("Work") : SyncFlags(), local: local ? .keyword("work") : SyncFlags(),
        remote: remote ? .keyword("WORK") : SyncFlags())
      #expect(merged == (expected ? .keyword("work") : SyncFlags()), "\(bits)")
    }
  }

  @Test("Different flags changed on both sides are both kept")
  func independentFlags() {
    var message = KnownMessage(uid: 1, remote: SyncFlags([.seen, .flagged]), size: 1)
    message.base = "base"
    message.agreed = SyncFlags([.flagged])
    let mailbox = KnownMailbox(remote: "INBOX", local: ["INBOX"])
    let flags = MergeRules.flags(message, local: SyncFlags([.answered]), mailbox: mailbox, oneWay: false)
    #expect(flags.agreed == SyncFlags([.seen, .answered]))
    #expect(flags.toLocal == SyncFlags([.seen, .answered]))
    #expect(flags.add == SyncFlags(.answered))
    #expect(flags.remove == SyncFlags(.flagged))
  }

  @Test("A keyword that the server will not keep stays local and is not asked for again")
  func refusedKeyword() {
    var message = KnownMessage(uid: 1, remote: SyncFlags(), size: 1)
    message.base = "base"
    message.agreed = SyncFlags()
    var mailbox = KnownMailbox(remote: "INBOX", local: ["INBOX"])
    mailbox.acceptsNewKeywords = false
    let first = MergeRules.flags(message, local: .keyword("Work"), mailbox: mailbox, oneWay: false)
    #expect(first.add.isEmpty && first.toLocal == nil)
    #expect(first.withheld == [KeywordName("work")])
    message.withheld = first.withheld
    message.agreed = first.agreed
    let second = MergeRules.flags(message, local: .keyword("Work"), mailbox: mailbox, oneWay: false)
    #expect(second == first)
  }

  @Test("In a mirror the server's flags replace the local ones")
  func mirrorFlags() {
    var message = KnownMessage(uid: 1, remote: .seen, size: 1)
    message.base = "base"
    message.agreed = .seen
    let mailbox = KnownMailbox(remote: "INBOX", local: ["INBOX"])
    let flags = MergeRules.flags(message, local: .flagged, mailbox: mailbox, oneWay: true)
    #expect(flags.toLocal == .seen && !flags.changesRemote)
  }
}
