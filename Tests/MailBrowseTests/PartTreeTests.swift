import IMAPCore
import Testing

@testable import MailBrowse

/// A part with what a test needs of it.
private func part(
  _ type: String, octets: Int64 = 0, encoding: String = "7bit", disposition: String? = nil,
  dispositionPairs: [(String, String)] = [], pairs: [(String, String)] = [], _ children: [BodyStructureValue] = []
) -> BodyStructureValue {
  let names = type.split(separator: "/").map(String.init)
  var value = BodyStructureValue(type: names[0], subtype: names[1])
  value.octets = octets
  value.encoding = encoding
  value.disposition = disposition
  value.dispositionPairs = dispositionPairs.map { .init(name: $0.0, value: $0.1) }
  value.pairs = pairs.map { .init(name: $0.0, value: $0.1) }
  value.children = children
  return value
}

@Suite struct PartTreeTests {
  @Test("A message that is one part has part 1")
  func single() {
    let tree = PartTree(part("text/plain"))
    #expect(tree.leaves.map(\.number) == ["1"])
    #expect(tree.text?.number == "1")
    #expect(tree.attachments.isEmpty)
  }

  @Test("Parts are numbered as FETCH takes them, through multiparts and attached messages")
  func numbers() {
    let inner = part("multipart/mixed", [part("text/plain"), part("image/png")])
    let tree = PartTree(
      part(
        "multipart/mixed",
        [
          part("multipart/alternative", [part("text/plain"), part("text/html")]),
          part("message/rfc822", [inner]), part("message/rfc822", [part("text/plain")]), part("application/pdf"),
        ]))
    #expect(tree.leaves.map(\.number) == ["1.1", "1.2", "2", "2.1", "2.2", "3", "3.1", "4"])
    #expect(tree.leaf([2, 2])?.structure.subtype == "png")
    #expect(tree.leaf([5]) == nil)
  }

  @Test("Plain text is shown before HTML, and an attached text is not taken for the message's own")
  func text() {
    let tree = PartTree(
      part(
        "multipart/mixed",
        [
          part("text/plain", disposition: "attachment", dispositionPairs: [("filename", "catatan.txt")]),
          part("multipart/alternative", [part("text/html"), part("text/plain")]),
        ]))
    #expect(tree.text?.number == "2.2")
    #expect(tree.attachments.map(\.part) == ["1"])
    #expect(tree.attachments.first?.name == "catatan.txt")
  }

  @Test(
    "A file's name is read however it is written",
    arguments: [
      ([("filename", "foto.jpg")], [], "foto.jpg"),
      ([], [("name", "=?utf-8?q?k=C3=A9bun.jpg?=")], "kébun.jpg"),
      ([("filename*", "utf-8''k%C3%A9bun.jpg")], [("name", "x.jpg")], "kébun.jpg"),
      ([("filename*", "iso-8859-1'id'k%E9bun.jpg")], [], "kébun.jpg"),
      ([("filename*", "100%")], [], "100%"), ([("filename*", "''50%zz")], [], "50%"),
    ] as [([(String, String)], [(String, String)], String)])
  func fileName(_ disposition: [(String, String)], _ pairs: [(String, String)], _ expected: String) {
    let value = part("image/jpeg", disposition: "attachment", dispositionPairs: disposition, pairs: pairs)
    #expect(value.fileName == expected)
  }

  @Test("What base64 carries is told from what travels", arguments: [(1, 4 + 2), (57, 78), (300_000, 410_528)])
  func decodedSize(_ octets: Int64, _ encoded: Int64) {
    #expect(abs(part("image/jpeg", octets: encoded, encoding: "base64").decodedOctets - octets) <= 3)
  }

  @Test(
    "Part numbers are read, and nothing else is", arguments: ["", "0", "1.", ".1", "1.0", "a", "1..2", "-1", "1.2.x"])
  func wrongPath(_ text: String) throws {
    #expect(throws: BrowseError.notAPart(text)) { try Reading.path(text) }
    #expect(try Reading.path("1.20.3") == [1, 20, 3])
  }
}

@Suite struct HeaderTextTests {
  @Test("Nothing in a header moves the cursor or turns the direction of writing")
  func printable() {
    #expect(
      HeaderText.printable("hapus\u{1B}[2J\r\nsemua\u{202E}gpj.exe")
        == "hapus\u{FFFD}[2J\u{FFFD}\u{FFFD}semua\u{FFFD}gpj.exe")
    #expect(HeaderText.printable("鳩 naïve 📗 សួស្តី") == "鳩 naïve 📗 សួស្តី")
  }

  @Test("Flags are shown without backslash, keywords as they are")
  func flags() {
    #expect(HeaderText.names(FlagList([.seen, .deleted], keywords: ["$Work"])) == ["Seen", "Deleted", "$Work"])
  }
}
