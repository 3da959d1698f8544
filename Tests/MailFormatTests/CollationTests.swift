import Bytes
import NIOCore
import Testing

@testable import MailFormat

@Suite struct CollationTests {
  private func prepared(_ text: String) -> [UInt8] {
    var output: [UInt8] = []
    UnicodeCasemap.append(text.utf8Span.span.bytes, to: &output)
    return output
  }

  private func scalars(_ text: String) -> [UInt32] {
    String(decoding: prepared(text), as: UTF8.self).unicodeScalars.map(\.value)
  }

  @Test func `The example of RFC 5051`() {
    #expect(scalars("\u{1C4}") == [0x44, 0x7A, 0x30C])
  }

  @Test(arguments: [
    ("straße", "STRAßE"), ("Jürgen", "JÜRGEN"), ("Jürgen", "ju\u{308}rgen"), ("ОБЪЯВЛЕНИЕ", "объявление"),
    ("Ⅷ", "viii"), ("①", "1"), ("ＡＢ", "ab"), ("ά", "Ά"), ("ά", "\u{3B1}\u{301}"), ("ǆ", "Ǆ"), ("ǆ", "ǅ"),
    ("\u{2F800}", "丽"), ("𝐀", "a"), ("", ""), ("abc", "ABC"),
  ]) func `Texts that are equal`(left: String, right: String) {
    #expect(prepared(left) == prepared(right))
  }

  /// The mapping is one to one: no ss for ß, and the final sigma is a letter of its own only until it is titlecased.
  @Test func `Texts that differ`() {
    #expect(prepared("straße") != prepared("strasse"))
    #expect(prepared("e") != prepared("é"))
    #expect(prepared("ς") == prepared("σ"))
    // Hangul syllables have no decompositions in UnicodeData.txt.
    #expect(scalars("한") == [0xD55C])
    // Decompositions are not titlecased again: RFC 5051 has that step first.
    #expect(scalars("ﬁn") == [0x66, 0x69, 0x4E] && scalars("㎏") == [0x6B, 0x67])
    // Marks are not put into another order.
    #expect(scalars("a\u{301}\u{323}") == [0x41, 0x301, 0x323])
  }

  @Test func `What is no UTF-8 is taken as it stands`() {
    var output: [UInt8] = [1]
    let bytes: [UInt8] = [0x61, 0xC3, 0xA9, 0xFF, 0x62]
    UnicodeCasemap.append(bytes.span.bytes, to: &output)
    #expect(output == [1] + bytes)
  }

  @Test func `Preparing twice changes nothing more`() {
    for value in stride(from: 0x20 as UInt32, to: 0x2FFFF, by: 7) {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let once = prepared(String(scalar))
      var twice: [UInt8] = []
      UnicodeCasemap.append(once.span.bytes, to: &twice)
      // Letters of a decomposition may be small the first time.
      #expect(
        String(decoding: twice, as: UTF8.self).uppercased() == String(decoding: once, as: UTF8.self).uppercased(),
        "U+\(String(value, radix: 16))")
    }
  }

  /// What the standard library knows of letters agrees with the table, where that has one letter for one.
  @Test func `Titlecase is Unicode's`() {
    for value in (0x80...0x24FF as ClosedRange<UInt32>) {
      guard let scalar = Unicode.Scalar(value), scalar.properties.changesWhenTitlecased else { continue }
      let title = scalar.properties.titlecaseMapping
      guard title.unicodeScalars.count == 1 else { continue }
      // The table is of Unicode 14.
      guard let age = title.unicodeScalars.first?.properties.age, age.major <= 14 else { continue }
      #expect(prepared(String(scalar)) == prepared(title), "U+\(String(value, radix: 16))")
    }
  }
}

@Suite struct ThreadFieldsTests {
  private func read(_ header: String) -> (own: String?, references: [String], isReply: Bool) {
    var fields = ThreadFields()
    // Nothing of an earlier message may be left.
    fields.read(message("Message-ID: <old@old>\nReferences: <older@old>\nSubject: Re: old\n\n").span.bytes)
    fields.read(message(header + "\n\n").span.bytes)
    return (
      fields.withMessageID { String(decoding: $0, as: UTF8.self) },
      (0..<fields.referenceCount).map { fields.withReference($0) { String(decoding: $0, as: UTF8.self) } },
      fields.isReply
    )
  }

  @Test func `Identifiers are normalized`() {
    let fields = read("MESSAGE-ID: <\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>\nReferences: <1@x> (c) <no> <\"2\"@\n y>")
    #expect(fields.own == "01KF8JCEOCBS0045PS@xxx.yyy.com")
    #expect(fields.references == ["1@x", "2@y"])
    #expect(read("Message-ID: <A@b>").own == "A@b")
  }

  @Test func `In-Reply-To counts only without References, and its first identifier alone`() {
    #expect(read("References: <1@x>\nIn-Reply-To: <2@x>").references == ["1@x"])
    #expect(read("References: what <he said>\nIn-Reply-To: <2@x> <3@x>").references == ["2@x"])
    #expect(read("In-Reply-To: ana's mail of Monday").references == [])
    #expect(read("In-Reply-To: \"<no@no>\" <bad> <2@x>, ana@example.org").references == ["2@x"])
  }

  @Test func `Without an identifier it has none`() {
    #expect(read("Subject: x").own == nil)
    #expect(read("Message-ID: 12345").own == nil)
    #expect(read("Message-ID: <a@b").own == nil)
    #expect(read("Message-ID:").own == nil)
  }

  @Test(arguments: [
    ("a", false), ("Re: a", true), ("re [x]: a", true), ("[list] Re: a", true), ("[list] a", false), ("a (fwd)", true),
    ("[Fwd: a]", true), ("Fw: a", true), ("FWD: a", true), ("Ref: a", false), ("re", false), ("a Re:", false),
    ("=?utf-8?q?Re:_a?=", true), ("Re:", true), ("", false), ("[Fwd: a", false), ("  a", false), ("a (fwd) b", false),
  ]) func `Replies and forwards are known by what is stripped`(subject: String, isReply: Bool) {
    #expect(read("Subject: \(subject)").isReply == isReply)
  }
}
