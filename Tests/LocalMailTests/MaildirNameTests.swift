import Foundation
import MailTestKit
import Testing

@testable import LocalMail

@Suite struct MaildirNameTests {
  @Test(
    arguments: [
      ("1.M2P3.host,S=10,W=12:2,FS", "1.M2P3.host,S=10,W=12", "FS", "", 10, 1),
      ("7.x:2,", "7.x", "", "", nil, 7),
      ("7.x", "7.x", nil, "", nil, 7),
      ("7.a:b:2,Sa,X=1", "7.a:b", "Sa", ",X=1", nil, 7),
      ("x,SS=1,S=5", "x,SS=1,S=5", nil, "", 5, nil),
      ("x,S=5x", "x,S=5x", nil, "", nil, nil),
    ] as [(String, String, String?, String, Int64?, Int64?)])
  func `A file name is cut up`(
    name: String, base: String, letters: String?, rest: String, size: Int64?, time: Int64?
  ) {
    let read = MaildirName(name)
    #expect(read.base == base)
    #expect(read.letters.map { String(Substring($0)) } == letters)
    #expect(read.rest == rest)
    #expect(read.size == size)
    #expect(read.time == time)
  }

  @Test func `Letters stand in the order of ASCII, each once`() {
    let name = MaildirName.compose(
      base: "b", flags: MaildirFlags("TSRPFD"), keywordLetters: [0x62, 0x61], unknown: [0x7A, 0x51, 0x61], rest: ",x")
    #expect(name == "b:2,DFPQRSTabz,x")
  }

  @Test func `Hosts with slashes and colons make no mischief, and names do not repeat`() {
    #expect(UniqueName.clean("a/b:c,d é") == "a\\057b\\072c\\054d__")
    #expect(UniqueName.clean("") == "localhost")
    #expect(Set((0..<1000).map { _ in UniqueName.next() }).count == 1000)
  }

  @Test(arguments: [
    (["Sent"], ".Sent"), (["Archive", "2024"], ".Archive.2024"), (["Entwürfe"], ".Entw&APw-rfe"),
    (["a.b", "c"], ".a%2Eb.c"), (["100%"], ".100%"), (["%2E"], ".%252E"), (["%25"], ".%2525"), (["a/b"], ".a%2Fb"),
    (["..", ".."], ".%2E%2E.%2E%2E"), ([""], ".%00"), (["", ""], ".%00.%00"), (["%00"], ".%2500"), (["&"], ".&-"),
  ])
  func `A path has one directory, and the directory this path`(path: [String], directory: String) {
    #expect(MailboxNames.directory(path) == directory)
    #expect(MailboxNames.path(ofDirectory: directory) == path)
  }

  @Test func `Every path comes back, and none leaves the tree`() {
    var random = SeededRandom(seed: 7)
    let pieces = ["a", ".", "/", "%", "%2E", "25", "00", "2F", "ü", "&", " ", "日", "\u{0}", "\n", "-"]
    for _ in 0..<2000 {
      let path = (0..<Int.random(in: 1...3, using: &random)).map { _ in
        (0..<Int.random(in: 0...5, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
      }
      let directory = MailboxNames.directory(path)
      #expect(MailboxNames.path(ofDirectory: directory) == path, "\(path) as \(directory)")
      #expect(!directory.contains("/") && directory != "." && directory != "..")
    }
  }

  @Test func `What is no mailbox has no path`() {
    for name in [".", "..", "cur", ".a..b", "..x", ".INBOX", ".a."] {
      #expect(MailboxNames.path(ofDirectory: name) == nil, "\(name)")
    }
    #expect(MailboxNames.path(ofDirectory: ".Entwürfe") == ["Entwürfe"], "kept in UTF-8")
  }
}
