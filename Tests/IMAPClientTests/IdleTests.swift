import IMAPClient
import IMAPCore
import MailNet
import NIOCore
import Testing

@Suite struct IdleTests {
  @Test("IDLE ends with the first news, and brings what came along")
  func idles() async throws {
    try await withSession("IDLE") { peer in
      try peer.select()
      let tag = try peer.expect("IDLE")
      try peer.send("* OK still here\r\n+ idling\r\n")
      try peer.send("* OK still here\r\n* 4 EXISTS\r\n* 5 EXISTS\r\n* 1 EXPUNGE\r\n")
      try peer.expectLine("DONE")
      try peer.send("* 2 FETCH (FLAGS (\\Seen) UID 5)\r\n\(tag) OK done\r\n")
      try peer.answer("NOOP")
    } _: { client in
      _ = try await client.select("INBOX", readOnly: false, resync: nil)
      var flags = FetchedMessage(sequence: 2, uid: 5)
      flags.flags = FlagList(.seen)
      let news = try await client.idle(limit: .seconds(20), poll: .seconds(20))
      #expect(news == [.exists(5), .expunged(sequence: 1), .flags(flags)])
      #expect(client.selected?.exists == 4)
      _ = try await client.noop()
    }
  }

  @Test("IDLE without news ends at its limit, and the connection goes on")
  func idlesInVain() async throws {
    try await withSession("IDLE") { peer in
      let tag = try peer.expect("IDLE")
      try peer.send("+ idling\r\n")
      try peer.expectLine("DONE")
      try peer.send("\(tag) OK done\r\n")
      try peer.answer("NOOP", "* 9 EXISTS")
      // What had come before is told at once.
      try peer.answer("CREATE a", "* 10 EXISTS")
    } _: { client in
      let none = try await client.idle(limit: .milliseconds(30), poll: .seconds(20))
      #expect(none.isEmpty)
      let later = try await client.noop()
      #expect(later == [.exists(9)])
      try await client.create("a")
      let news = try await client.idle(limit: .seconds(20), poll: .seconds(20))
      #expect(news == [.exists(10)])
    }
  }

  @Test("A server that ends IDLE at once is not asked in a loop, but by NOOP")
  func endsAtOnce() async throws {
    try await withSession("IDLE") { peer in
      let tag = try peer.expect("IDLE")
      try peer.send("+ idling\r\n\(tag) OK done\r\n")
      try peer.answer("NOOP", "* 4 EXISTS")
    } _: { client in
      let news = try await client.idle(limit: .seconds(20), poll: .milliseconds(20))
      #expect(news == [.exists(4)])
    }
  }

  @Test("Without IDLE, or where it is refused, NOOP asks now and then")
  func polls() async throws {
    for capability in ["X", "IDLE"] {
      try await withSession(capability) { peer in
        if capability == "IDLE" { try peer.complete("IDLE", "NO not for you") }
        try peer.answer("NOOP")
        try peer.answer("NOOP", "* 4 EXISTS")
      } _: { client in
        let news = try await client.idle(limit: .seconds(20), poll: .milliseconds(20))
        #expect(news == [.exists(4)])
      }
    }
  }

  @Test("A server that goes away while idling is noticed")
  func goesAway() async throws {
    try await withSession("IDLE") { peer in
      _ = try peer.expect("IDLE")
      try peer.send("+ idling\r\n* BYE going down\r\n")
    } _: { client in
      let kind = await errorKind { _ = try await client.idle(limit: .seconds(20), poll: .seconds(20)) }
      #expect(kind == .disconnected)
      #expect(client.farewell == "going down")
    }
  }

  @Test("NOTIFY: asked for less if all is too much; news of other mailboxes come as their status")
  func notifies() async throws {
    try await withSession("NOTIFY IDLE") { peer in
      let events = "MessageNew MessageExpunge FlagChange"
      try peer.complete(
        "NOTIFY SET (selected-delayed (\(events))) (personal (\(events)))", "NO [BADEVENT (MessageNew)] too much")
      try peer.answer(
        "NOTIFY SET (selected-delayed (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))",
        "* STATUS a (MESSAGES 3 UIDNEXT 5)")
      try peer.answer("NOOP", "* OK [NOTIFICATIONOVERFLOW] too much")
    } _: { client in
      let isOn = try await client.notifyPersonal()
      #expect(isOn)
      #expect(client.isNotifying)
      var status = RemoteStatus()
      status.messages = 3
      status.uidNext = 5
      let news = try await client.idle(limit: .seconds(20), poll: .seconds(20))
      #expect(news == [.status(mailbox: "a", status)])
      _ = try await client.noop()
      #expect(!client.isNotifying)
    }
    try await withSession("X") { _ in
    } _: { client in
      let isOn = try await client.notifyPersonal()
      #expect(!isOn)
    }
  }
}
