import IMAPClient
import IMAPCore
import MailNet
import NIOCore
import Testing

@Suite struct MailboxTests {
  @Test(
    "LIST brings attributes, subscriptions and status in one go where the server can; others' mailboxes are left out")
  func listStatus() async throws {
    try await withSession("NAMESPACE LIST-EXTENDED LIST-STATUS SPECIAL-USE CONDSTORE STATUS=SIZE") { peer in
      try peer.answer(
        #"LIST "" "*" RETURN (SUBSCRIBED CHILDREN SPECIAL-USE "#
          + "STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ SIZE))",
        #"* LIST (\Subscribed \HasNoChildren) "/" inbox"#,
        "* STATUS INBOX (MESSAGES 3 UNSEEN 1 UIDNEXT 9 UIDVALIDITY 4 HIGHESTMODSEQ 77 SIZE 12345)",
        #"* LIST (\NonExistent \HasChildren) "/" a"#, #"* LIST (\Sent) "/" "a/Gesendet &APw-ber""#,
        "* STATUS \"a/Gesendet &APw-ber\" (MESSAGES 1 HIGHESTMODSEQ 0)", #"* LIST () "/" ~ina/x"#,
        #"* LIST () "/" Shared"#,
        #"* LIST () "/" Shared/y"#, #"* LIST () "/" Sharedlike"#, #"* LIST (\Marked) "/" INBOX"#)
    } _: { client in
      let mailboxes = try await client.mailboxes(status: true)
      #expect(mailboxes.map(\.name) == ["INBOX", "a", "a/Gesendet über", "Sharedlike"])
      #expect(mailboxes[0].attributes == ["\\subscribed", "\\hasnochildren", "\\marked"])
      #expect(!mailboxes[1].isSelectable && mailboxes[1].status == nil)
      #expect(mailboxes[2].path == ["a", "Gesendet über"] && mailboxes[2].attributes == ["\\sent"])
      var status = RemoteStatus()
      status.messages = 3
      status.unseen = 1
      status.uidNext = 9
      status.uidValidity = 4
      status.highestModSeq = 77
      status.size = 12345
      #expect(mailboxes[0].status == status)
      #expect(mailboxes[2].status?.messages == 1 && mailboxes[2].status?.highestModSeq == nil)
    }
  }

  @Test("Without LIST-STATUS each mailbox is asked, all at once; the selected one is not")
  func pipelinedStatus() async throws {
    try await withSession("X") { peer in
      try peer.select()
      let list = try peer.expect(#"LIST "" "*""#)
      let lsub = try peer.expect(#"LSUB "" "*""#)
      try peer.send(
        "* LIST () \"/\" INBOX\r\n* LIST () \"/\" a\r\n* LIST (\\Noselect) \"/\" b\r\n* LIST () \"/\" b/c\r\n")
      try peer.send("\(list) OK x\r\n* LSUB () \"/\" b/c\r\n\(lsub) OK x\r\n")
      let first = try peer.expect("STATUS a (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
      let second = try peer.expect("STATUS b/c (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
      try peer.send("* STATUS b/c (MESSAGES 5)\r\n* 4 EXISTS\r\n\(second) OK x\r\n\(first) NO not allowed\r\n")
    } _: { client in
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      let mailboxes = try await client.mailboxes(status: true)
      #expect(mailboxes.map(\.name) == ["INBOX", "a", "b", "b/c"])
      #expect(mailboxes.map { $0.status?.messages } == [3, nil, nil, 5])
      #expect(mailboxes[0].status?.uidNext == 10)
      #expect(mailboxes[3].attributes == ["\\subscribed"])
      #expect(client.selected?.exists == 4)
      #expect(client.events() == [.exists(4)])
    }
  }

  @Test("A name that is no valid modified UTF-7 is named to the server as it came")
  func rawNames() async throws {
    try await withSession("LIST-EXTENDED") { peer in
      try peer.answer(
        #"LIST "" "*" RETURN (SUBSCRIBED CHILDREN)"#, #"* LIST () "/" "a&b""#, "* LIST () \"/\" \"c d&-\"")
      try peer.answer("DELETE a&b")
      try peer.answer(#"RENAME "c d&-" &APY-"#)
      try peer.answer("SUBSCRIBE x&-y")
      try peer.complete("UNSUBSCRIBE INBOX", "NO [NOPERM] stays")
    } _: { client in
      let names = try await client.mailboxes(status: false).map(\.name)
      #expect(names == ["a&b", "c d&"])
      try await client.delete("a&b")
      try await client.rename("c d&", to: "ö")
      try await client.subscribe("x&y", true)
      let refused = await errorKind { try await client.subscribe("INBOX", false) }
      #expect(refused == .refused(command: "UNSUBSCRIBE", code: "NOPERM", text: "stays"))
    }
  }

  @Test("STATUS of one mailbox, however its name comes back")
  func status() async throws {
    try await withSession("QRESYNC") { peer in
      try peer.answer(
        "STATUS a (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)", "* STATUS A (MESSAGES 2 HIGHESTMODSEQ 9)")
      try peer.answer("STATUS b (MESSAGES UNSEEN UIDNEXT UIDVALIDITY HIGHESTMODSEQ)")
    } _: { client in
      let status = try await client.status("a")
      #expect(status.messages == 2 && status.highestModSeq == 9)
      guard case .protocolViolation? = await errorKind({ _ = try await client.status("b") }) else {
        Issue.record("a status out of nothing")
        return
      }
    }
  }

  @Test("Quota: octets for STORAGE, nothing where there is none")
  func quota() async throws {
    try await withSession("QUOTA") { peer in
      try peer.answer(
        "GETQUOTAROOT INBOX", "* QUOTAROOT INBOX \"\"", "* QUOTA \"\" (STORAGE 10 512 MESSAGE 3 100)",
        "* QUOTA other (STORAGE 1 2)")
      try peer.answer("GETQUOTAROOT a", "* QUOTAROOT a")
      try peer.complete("GETQUOTAROOT b", "NO no quota here")
    } _: { client in
      let quota = try await client.quota("INBOX")
      #expect(
        quota == [
          RemoteQuota(root: "", resource: "STORAGE", usage: 10240, limit: 524_288),
          RemoteQuota(root: "", resource: "MESSAGE", usage: 3, limit: 100),
        ])
      let none = try await client.quota("a")
      #expect(none.isEmpty)
      let refused = try await client.quota("b")
      #expect(refused.isEmpty)
    }
    try await withSession("X") { _ in
    } _: { client in
      let unknown = try await client.quota("INBOX")
      #expect(unknown.isEmpty)
    }
  }

  @Test("SELECT tells all it says; a failed one leaves nothing selected")
  func select() async throws {
    try await withSession("CONDSTORE UNSELECT") { peer in
      try peer.select("SELECT INBOX (CONDSTORE)", "* OK [HIGHESTMODSEQ 99] x", "* 1 RECENT")
      try peer.select("EXAMINE \"a b\" (CONDSTORE)", "* OK [NOMODSEQ] x")
      try peer.answer("UNSELECT")
      try peer.select("SELECT INBOX (CONDSTORE)")
      try peer.complete("SELECT gone (CONDSTORE)", "NO [NONEXISTENT] no such mailbox")
    } _: { client in
      let inbox = try await client.select("INBOX", readOnly: false, resync: nil)
      let flags = FlagList([.deleted, .seen], keywords: ["$A"])
      #expect(
        inbox
          == SelectedMailbox(
            name: "INBOX", exists: 3, uidValidity: 7, uidNext: 10, highestModSeq: 99, isReadOnly: false,
            permanentFlags: flags, acceptsNewKeywords: true))
      let other = try await client.select("a b", readOnly: true, resync: nil)
      #expect(other.isReadOnly && other.highestModSeq == nil)
      try await client.unselect()
      #expect(client.selected == nil)
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      let kind = await errorKind { _ = try await client.select("gone", readOnly: false, resync: nil) }
      #expect(kind == .refused(command: "SELECT", code: "NONEXISTENT", text: "no such mailbox"))
      #expect(client.selected == nil)
    }
  }

  @Test("QRESYNC: what has changed and what has gone comes along; news of the mailbox before it do not")
  func resync() async throws {
    try await withSession("ENABLE QRESYNC") { peer in
      try peer.select(
        "SELECT INBOX (QRESYNC (7 40 1:9))", "* OK [HIGHESTMODSEQ 50] x", "* VANISHED (EARLIER) 2,4:5",
        "* 2 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (44))")
      let tag = try peer.expect("SELECT a (QRESYNC (7 40))")
      try peer.send(
        "* 1 FETCH (UID 1 FLAGS (\\Deleted) MODSEQ (51))\r\n* VANISHED 8\r\n* OK [CLOSED] x\r\n* 0 EXISTS\r\n")
      try peer.send("* OK [UIDVALIDITY 8] x\r\n* OK [HIGHESTMODSEQ 1] x\r\n\(tag) OK [READ-ONLY] x\r\n")
      try peer.select("SELECT b")
    } _: { client in
      let point = ResyncPoint(uidValidity: 7, modSeq: 40, knownUIDs: MessageSet([.init(1, 5), .init(6, 9)]))
      let inbox = try await client.select("INBOX", readOnly: false, resync: point)
      var changed = FetchedMessage(sequence: 2, uid: 3)
      changed.flags = FlagList(.seen)
      changed.modSeq = 44
      #expect(inbox.resync == SelectedMailbox.Resync(vanished: [2...2, 4...5], changed: [changed]))
      // Another UIDVALIDITY: nothing of what was known holds.
      let other = try await client.select(
        "a", readOnly: false, resync: ResyncPoint(uidValidity: 7, modSeq: 40, knownUIDs: .everything))
      #expect(other.resync == nil && other.exists == 0 && other.isReadOnly && other.uidValidity == 8)
      #expect(client.events().isEmpty)
      let plain = try await client.select(
        "b", readOnly: false, resync: ResyncPoint(uidValidity: 7, modSeq: 0, knownUIDs: nil))
      #expect(plain.resync == nil)
    }
  }

  @Test("Without UNSELECT a mailbox is left by EXAMINE and CLOSE, which expunges nothing")
  func closes() async throws {
    for code in ["READ-ONLY", "READ-WRITE"] {
      try await leave(code)
    }
  }

  private func leave(_ code: String) async throws {
    try await withSession("X") { peer in
      try peer.select()
      let tag = try peer.expect("EXAMINE INBOX")
      try peer.send("* 3 EXISTS\r\n\(tag) OK [\(code)] x\r\n")
      // From a server that does not keep to the RFC nothing is risked.
      if code == "READ-ONLY" { try peer.answer("CLOSE") }
    } _: { client in
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      try await client.unselect()
      #expect(client.selected == nil)
    }
  }
}
