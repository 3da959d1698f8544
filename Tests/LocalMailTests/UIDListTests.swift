import Foundation
import Testing

@testable import LocalMail

@Suite struct UIDListTests {
  @Test func `Dovecot's list of version 3 is read`() async throws {
    try await withMaildir { folder in
      try write(
        """
        3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1
        25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,S
        25017 W2481 Puid:17 Gabc O3 S7 :1276533073.M242911P3632.kurkku:2,F
        25017 Pnewer :1276533073.M242911P3632.kurkku:2,FS

        """, to: folder.directory + "/dovecot-uidlist")
      let list = try #require(try folder.uidList())
      #expect(list.uidValidity == 1_275_660_208 && list.uidNext == 25022)
      #expect(list.guid == "3085f01b7f11094c501100008c4a11c1")
      #expect(list.records.map(\.uid) == [25006, 25017])
      #expect(list.records[0].base == "1276528487.M364837P9451.kurkku,S=1355,W=1394")
      #expect(list.records[1] == .init(uid: 25017, base: "1276533073.M242911P3632.kurkku", uidl: "newer"))
      let line = try #require(UIDList.Record(dovecot: "25017 W2481 Puid:17 Gabc O3 S7 :a:2,F"))
      #expect(line.uidl == "uid:17" && line.guid == "abc" && line.pop3Order == 3)
      #expect(line.size == 7 && line.wireSize == 2481 && line.base == "a")
    }
  }

  @Test func `Version 1 is read, and what is no list is told`() async throws {
    try await withMaildir { folder in
      #expect(try folder.uidList() == nil)
      let path = folder.directory + "/dovecot-uidlist"
      try write("1 77 4\n1 a:2,S\n3 b\n", to: path)
      let list = try #require(try folder.uidList())
      #expect(list.uidValidity == 77 && list.uidNext == 4)
      #expect(list.records == [.init(uid: 1, base: "a"), .init(uid: 3, base: "b")])
      for text in [
        "4 V1 N2\n", "3 N2\n", "3 V0 N1\n", "1 0 3\n", "\n", "3 V1 N2\n1 a\n2 :b\n", "3 V1 N2\n0 :a\n2 :b\n",
        "1 7 3\nx y\n2 b\n",
      ] {
        try write(text, to: path)
        let error = #expect(throws: LocalMailError.self, "\(text)") { _ = try folder.uidList() }
        #expect(error?.path == path)
      }
      try write("3 V1 N2\n1 :a\n2 W", to: path)
      #expect(try folder.uidList()?.records.map(\.base) == ["a"], "a last line that was cut off is no message")
    }
  }

  @Test func `What is written is read again`() async throws {
    try await withMaildir { folder in
      var second = UIDList.Record(uid: 9, base: "b,S=3", uidl: "000000091a2b", guid: "g1")
      second.pop3Order = 2
      second.size = 3
      second.wireSize = 4
      var list = UIDList(uidValidity: 5, uidNext: 4, guid: "0123456789abcdef0123456789abcdef")
      list.records = [second, .init(uid: 2, base: "a")]
      try folder.writeDovecotUIDList(list)
      #expect(
        try text(at: folder.directory + "/dovecot-uidlist")
          == "3 V5 N10 G0123456789abcdef0123456789abcdef\n2 :a\n9 P000000091a2b Gg1 O2 S3 W4 :b,S=3\n")
      let read = try #require(try folder.uidList())
      #expect(read.records == [.init(uid: 2, base: "a"), second])
      #expect(read.uidNext == 10, "beyond every UID")
    }
  }

  @Test func `A list that would mix up messages is not written`() async throws {
    try await withMaildir { folder in
      let good = UIDList.Record(uid: 1, base: "a")
      for records in [
        [good, .init(uid: 1, base: "b")], [good, .init(uid: 2, base: "a")], [.init(uid: 0, base: "x")],
        [.init(uid: 1, base: "x\ny")], [.init(uid: 1, base: "x", uidl: "two words")], [.init(uid: 1, base: "")],
      ] {
        #expect(throws: LocalMailError.self) {
          try folder.writeDovecotUIDList(UIDList(uidValidity: 1, records: records))
        }
      }
      #expect(throws: LocalMailError.self) { try folder.writeDovecotUIDList(UIDList(uidValidity: 0, records: [good])) }
      let left = try names(in: folder.directory)
      #expect(left == ["cur", "new", "tmp"])
    }
  }

  @Test func `Courier's UIDs and UIDLs are read`() async throws {
    try await withMaildir { folder in
      try write("1 1234 10\n3 a\n7 b:2,S\n", to: folder.directory + "/courierimapuiddb")
      try write(
        "/3 12 1234\na:2,S 100 3:1234:0\nb 200 7:0:1\nc 5 0:0:0\nd+e 6 0:0:0\nbroken\n",
        to: folder.directory + "/courierpop3dsizelist")
      #expect(try folder.courierUIDLs() == ["a": "UID3-1234", "b": "UID7", "c": "c", "d+e": "d+2Be"])
      let list = try #require(try folder.uidList())
      #expect(list.uidValidity == 1234 && list.uidNext == 10)
      #expect(list.records == [.init(uid: 3, base: "a", uidl: "UID3-1234"), .init(uid: 7, base: "b", uidl: "UID7")])
      try write("/2 12 1234\na 100 3:1234\n", to: folder.directory + "/courierpop3dsizelist")
      #expect(try folder.courierUIDLs() == ["a": "UID3-1234"])
      try write("a:2,S 100\n", to: folder.directory + "/courierpop3dsizelist")
      #expect(try folder.courierUIDLs() == ["a": "a"])
    }
  }

  @Test func `A list with a line beyond all measure costs no memory`() async throws {
    try await withMaildir { folder in
      let path = folder.directory + "/dovecot-uidlist"
      try write("3 V1 N2\n1 :" + String(repeating: "x", count: 500_000), to: path)
      let error = #expect(throws: LocalMailError.self) { _ = try folder.uidList() }
      #expect(error?.path == path)
    }
  }
}
