import Foundation
import IMAPCore
import Testing

@testable import IMAPServer

/// The texts of the IMAP server in its languages (RFC 5255 §3).
@Suite struct LanguageTests {
  @Test func `Every text of the server has its Indonesian one`() throws {
    let texts = try SourceTexts.all()
    // The scan is good for something.
    #expect(texts.count > 300)
    let missing = texts.filter { IndonesianTexts.text($0) == nil }
    #expect(missing.isEmpty, "add to Sources/IMAPServer/Language: \(missing.sorted())")
  }

  @Test func `Both languages have the same gaps, and neither a text that begins like a code`() {
    for (english, indonesian) in IndonesianTexts.all {
      func gaps(_ text: String) -> [Character] {
        zip(text, text.dropFirst()).filter { $0.0 == "%" && $0.1.isWholeNumber }.map(\.1).sorted()
      }
      #expect(gaps(english) == gaps(indonesian), "\(english)")
      #expect(!indonesian.hasPrefix("[") && !indonesian.isEmpty && !indonesian.contains("\n"))
    }
  }

  @Test func `A namespace is translated where there is a word for it`() {
    #expect(SessionLanguage.indonesian.translation(ofNamespace: "Public/") == "Umum/")
    #expect(SessionLanguage.indonesian.translation(ofNamespace: "") == nil)
    #expect(SessionLanguage.indonesian.translation(ofNamespace: "kantor/") == nil)
    #expect(SessionLanguage.neutral.translation(ofNamespace: "Public/") == nil)
  }

  @Test func `A sentence fills its gaps in either language`() {
    let sentence: Sentence = "At most \(5) keywords in a mailbox"
    #expect(sentence.template == "At most %1 keywords in a mailbox")
    #expect(SessionLanguage.neutral.text(sentence) == "At most 5 keywords in a mailbox")
    #expect(SessionLanguage.indonesian.text(sentence) == "Paling banyak 5 kata kunci dalam satu kotak surat")
    let what: Sentence = "a mailbox name"
    let nested: Sentence = "Expected \(what) at the end of the command"
    #expect(nested.english == "Expected a mailbox name at the end of the command")
    #expect(SessionLanguage.indonesian.text(nested) == "Seharusnya ada nama kotak surat di akhir perintah")
    // What a client sends is no gap.
    let word = "%1%2%"
    let hostile: Sentence = "Unknown search key '\(word)'"
    #expect(SessionLanguage.indonesian.text(hostile) == "Kunci pencarian '%1%2%' tidak dikenal")
    #expect(Sentence("100% %1 %").english == "100% %1 %")
    let said = Sentence(said: "it is longer than 1000 octets")
    #expect(said.english == "it is longer than 1000 octets")
    #expect(SessionLanguage.indonesian.text(said) == "nama itu lebih panjang daripada 1000 oktet")
    #expect(Sentence(said: "it is not valid UTF-8").gaps.isEmpty)
  }
}

extension IndonesianTexts {
  static var all: [(String, String)] { [commands, grammar, below, sharing].flatMap { $0.map { ($0.key, $0.value) } } }
}

/// The string literals of the sources that people are told, with their gaps as `Sentence` has them.
private enum SourceTexts {
  static func all() throws -> Set<String> {
    let sources = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources")
    var texts: Set<String> = []
    for folder in ["IMAPServer", "IMAPCore/Messages", "IMAPCore/Reading", "IMAPCore/Framing", "IMAPCore/Types"] {
      let files = try #require(
        FileManager.default.enumerator(at: sources.appendingPathComponent(folder), includingPropertiesForKeys: nil))
      for case let file as URL in files where file.pathExtension == "swift" && !file.path.contains("/Language/") {
        let text = try String(contentsOf: file, encoding: .utf8)
        for line in text.split(separator: "\n") where isTold(line) {
          for literal in literals(Array(line)) where isText(literal, in: line) { texts.insert(literal) }
        }
      }
    }
    return texts
  }

  /// Logs, tables, and what only programmers see.
  private static func isTold(_ line: Substring) -> Bool {
    let code = line.drop { $0 == " " }
    guard !code.hasPrefix("//") else { return false }
    return ["logger.", "etadata", "what: ", "row(", "\"reference\"", "assertionFailure", "\"imap ", "RFC "]
      .allSatisfy { !line.contains($0) }
  }

  /// Words for people: several of them, or one where the grammar wants one.
  private static func isText(_ literal: String, in line: Substring) -> Bool {
    let letters = literal.filter { $0.isLetter && $0.isLowercase }
    guard letters.count > 1, let first = literal.first, !["\\", "/", ":", "."].contains(first) else { return false }
    if literal.contains(" ") || first.isUppercase && literal.dropFirst().allSatisfy(\.isLowercase) {
      return literal != "Merpati"
    }
    return ["list(", "text(", "astring(", "astrings(", "wireString(", "wireAString(", "listMailbox(", "tooMany("]
      .contains { line.contains($0) } && literal.allSatisfy { $0.isLowercase }
  }

  /// Of one line of Swift.
  private static func literals(_ line: [Character]) -> [String] {
    var result: [String] = []
    var index = 0
    while index < line.count {
      if line[index] == "/", index + 1 < line.count, line[index + 1] == "/" { break }
      guard line[index] == "\"" else {
        index += 1
        continue
      }
      index += 1
      if let literal = literal(line, &index) { result.append(literal) }
    }
    return result
  }

  /// Behind its quotation mark; steps over it. Literals within gaps are not looked at.
  private static func literal(_ line: [Character], _ index: inout Int) -> String? {
    var text = ""
    var gaps = 0
    while index < line.count, line[index] != "\"" {
      guard line[index] == "\\", index + 1 < line.count else {
        text.append(line[index])
        index += 1
        continue
      }
      guard line[index + 1] == "(" else {
        text.append(line[index + 1])
        index += 2
        continue
      }
      gaps += 1
      text += "%\(gaps)"
      index += 2
      var depth = 1
      while index < line.count, depth > 0 {
        if line[index] == "(" { depth += 1 }
        if line[index] == ")" { depth -= 1 }
        if line[index] == "\"" {
          index += 1
          while index < line.count, line[index] != "\"" { index += line[index] == "\\" ? 2 : 1 }
        }
        index += 1
      }
    }
    guard index < line.count else { return nil }
    index += 1
    return text
  }
}
