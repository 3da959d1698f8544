import Foundation
import Testing

@testable import MailAdvice

/// The files of docs/choose are what the adviser says of `Examples`. `MERPATI_WRITE_DOCS=1` makes them anew.
@Suite struct DocumentationTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "docs/choose")

  private func expect(_ content: String, is name: String) throws {
    let file = Self.folder.appending(path: name)
    if ProcessInfo.processInfo.environment["MERPATI_WRITE_DOCS"] != nil {
      try FileManager.default.createDirectory(at: Self.folder, withIntermediateDirectories: true)
      try content.write(to: file, atomically: true, encoding: .utf8)
    }
    let written = try String(contentsOf: file, encoding: .utf8)
    let (lines, expected) = (content.split(separator: "\n"), written.split(separator: "\n"))
    for (index, line) in lines.enumerated() where index >= expected.count || expected[index] != line {
      Issue.record("\(name), line \(index + 1): \(line)")
      return
    }
    #expect(lines.count == expected.count)
  }

  @Test("Full of big attachments: text, chart and JSON are those of the documentation")
  func bigAttachments() async throws {
    let report = try await Examples.bigAttachments()
    try expect(report.text(), is: "big-attachments.txt")
    try expect(report.svg(), is: "big-attachments.svg")
    try expect(report.json(), is: "big-attachments.json")
    if let folder = ProcessInfo.processInfo.environment["MERPATI_WRITE_PAGES"] {
      for (name, report) in [
        ("big", report), ("small", try await Examples.smallMail()), ("empty", try await Examples.empty()),
      ] { try report.html().write(toFile: "\(folder)/\(name).html", atomically: true, encoding: .utf8) }
    }
  }

  @Test("Full of small mail: the text is that of the documentation")
  func smallMail() async throws { try expect(try await Examples.smallMail().text(), is: "small-mail.txt") }

  @Test("Empty: the text is that of the documentation")
  func empty() async throws { try expect(try await Examples.empty().text(), is: "empty.txt") }
}

@Suite struct RenderingTests {
  private func examples() async throws -> [Report] {
    [
      try await Examples.bigAttachments(), try await Examples.smallMail(), try await Examples.empty(),
      Report(Sketch.with { Case.full(&$0) }), Report(Sketch.with { $0.imap = Case.offersNoIMAP }),
      Report(Sketch.with { $0.limit = nil }),
    ]
  }

  @Test("Text keeps within the terminal and has no blanks at line ends", arguments: [80, 100])
  func width(columns: Int) async throws {
    for report in try await examples() {
      for line in report.text(width: columns).split(separator: "\n", omittingEmptySubsequences: false) {
        #expect(TextTable.width(of: String(line)) <= columns, "\(line)")
        #expect(!line.hasSuffix(" "))
      }
    }
  }

  @Test("A name from the server can't write to the terminal, nor into the page")
  func hostileNames() throws {
    var measurement = Sketch.with { _ in }
    let name = "<script>alert('x')</script>\u{1B}[31m\u{202E}\"&\u{0}"
    measurement.mailboxes[0].name = name
    measurement.account = name
    measurement.notes = [name]
    let report = Report(measurement)
    let text = report.text()
    let isLoud = text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0 == "\u{202E}" || $0 == "\u{1B}" }
    #expect(!isLoud)
    for markup in [report.html(), report.svg()] {
      let (isRaw, isEscaped) = (markup.contains("<script"), markup.contains("&lt;script&gt;"))
      #expect(!isRaw && isEscaped)
      let hasControls = markup.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0 == "\u{7F}" }
      #expect(!hasControls)
    }
    #expect(try report.json().contains("\\u001b"))
  }

  @Test("Page and chart are well-formed XML, load nothing and run nothing")
  func wellFormed() async throws {
    for report in try await examples() {
      let isDrawing = Markup.isWellFormed(report.svg())
      #expect(isDrawing)
      let page = report.html()
      let loading = ["<script", "<link", "<img", "@import", "url(http", "src="].filter { page.contains($0) }
      #expect(loading == [])
      let needed = [
        "<html lang=\"en\">", "<title>POP3 or IMAP for ", "prefers-color-scheme: dark", "scope=\"row\"", "<title id=",
        "<desc",
      ]
      #expect(needed.filter { !page.contains($0) } == [])
      // HTML's void elements apart, the page is XML too.
      let body = page.split(separator: "<body>").last.map { "<body>" + $0 } ?? ""
      let isPage = Markup.isWellFormed(body.replacingOccurrences(of: "</html>", with: ""))
      #expect(isPage)
    }
  }

  @Test("The chart names each line, the quota and the recommended way")
  func chart() async throws {
    let svg = try await Examples.bigAttachments().svg()
    for words in [
      "IMAP, all modes</text>", "POP3, keep 30 days ✓</text>", "POP3, delete</text>", "quota 5.0 GiB</text>",
    ] {
      #expect(svg.contains(words))
    }
    // Thirteen points a line.
    let points = svg.split(separator: "points=\"").dropFirst().map {
      $0.prefix { $0 != "\"" }.split(separator: " ").count
    }
    #expect(points == [13, 13, 13, 13])
    let small = try await Examples.smallMail().svg()
    #expect(small.contains("POP3, all ways</text>") && !small.contains("POP3, keep 7 days</text>"))
  }

  @Test("JSON comes back as it went")
  func roundTrip() async throws {
    for report in try await examples() {
      #expect(try JSONDecoder().decode(Report.self, from: Data(try report.json().utf8)) == report)
    }
  }

  @Test("Sizes, times and shares as people read them")
  func human() {
    #expect(Human.size(0) == "0 B")
    #expect(Human.size(1023) == "1023 B")
    #expect(Human.size(1024) == "1.0 KiB")
    #expect(Human.size(10_188) == "9.9 KiB")
    #expect(Human.size(10_189) == "10 KiB")
    #expect(Human.size(1_048_575) == "1.0 MiB")
    #expect(Human.size(4_617_089_843) == "4.3 GiB")
    #expect(Human.size(.max) == "8.0 EiB")
    #expect(Human.size(.min) == "-8.0 EiB")
    #expect(Human.duration(0) == "0.0 s")
    #expect(Human.duration(0.01) == "<0.1 s")
    #expect(Human.duration(99.4) == "99 s")
    #expect(Human.duration(100) == "1.7 min")
    #expect(Human.duration(7200) == "2.0 h")
    #expect(Human.duration(1e6) == "12 days")
    #expect(Human.days(0.5) == "less than a day")
    #expect(Human.days(1) == "1 day")
    #expect(Human.days(365) == "12 months")
    #expect(Human.days(2191) == "6 years")
    #expect(Human.percent(0) == "0 %")
    #expect(Human.percent(0.001) == "<1 %")
    #expect(Human.percent(0.999) == "99 %")
    #expect(Human.percent(1.04) == "104 %")
    #expect(Human.count(1_234_567) == "1,234,567")
    #expect(Human.count(-1234) == "-1,234")
    #expect(Human.name("a\u{7}b") == "a?b")
    #expect(Human.name(String(repeating: "x", count: 90)).count == AdviceLimits.shownName)
  }

  @Test("Lines break at blanks, never between a figure and its unit; wide characters count twice")
  func wrap() {
    #expect(TextTable.wrap("it is 94 % full now", width: 10) == ["it is 94 %", "full now"])
    #expect(TextTable.wrap("it is 94 % full now", width: 9) == ["it is", "94 % full", "now"])
    #expect(TextTable.wrap("", width: 10, first: "- ") == ["-"])
    #expect(TextTable.width(of: "日本語") == 6)
    #expect(TextTable.width(of: "e\u{301}") == 1)
    var table = TextTable([.left, .right])
    table.rows = [["日本", "1"], ["abc", "20"]]
    #expect(table.lines(width: 80) == ["日本   1", "abc   20"])
  }
}

extension Markup {
  /// Tags close in the order they were opened, attributes are quoted, no bare `&` or `<`.
  static func isWellFormed(_ text: String) -> Bool {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(where: { $0 == "<" || $0 == "&" }) {
      if rest[start] == "&" {
        guard let end = rest[start...].firstIndex(of: ";"), rest.distance(from: start, to: end) <= 6 else {
          return false
        }
        rest = rest[rest.index(after: end)...]
        continue
      }
      guard let end = rest[start...].firstIndex(of: ">") else { return false }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      if tag.contains("<") || tag.count(where: { $0 == "\"" }) % 2 == 1 { return false }
      if tag.first == "/" {
        guard open.popLast() == tag.dropFirst() else { return false }
      } else if tag.last != "/" {
        open.append(tag.prefix { !$0.isWhitespace })
      }
    }
    return open.isEmpty
  }
}
