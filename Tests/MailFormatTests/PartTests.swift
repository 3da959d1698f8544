import MailFormat
import Testing

@Suite struct PartTests {
  static let mixed = message(
    """
    Subject: out
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="b"

    preamble
    --b

    one
    --b
    Content-Type: message/rfc822

    Subject: in
    Content-Type: multipart/alternative; boundary=c

    --c
    Content-Type: text/plain; charset=UTF-8

    two
    --c
    Content-Type: text/html
    Content-Transfer-Encoding: BASE64

    PGI+
    --c--
    --b--
    epilogue

    """)

  @Test func `Parts are found by their IMAP numbers`() {
    let bytes = Self.mixed
    #expect(bytes.section([1]) == "one")
    #expect(bytes.section([1], .mime) == "\r\n")
    #expect(bytes.section([2], .mime) == "Content-Type: message/rfc822\r\n\r\n")
    #expect(bytes.section([2], .header) == "Subject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n")
    #expect(bytes.section([2, 1]) == "two")
    #expect(bytes.section([2, 2]) == "PGI+")
    #expect(bytes.section([2, 2], .mime) == "Content-Type: text/html\r\nContent-Transfer-Encoding: BASE64\r\n\r\n")
    #expect(bytes.section([2], .text)?.hasPrefix("--c\r\n") == true)
    #expect(bytes.section([2], .text)?.hasSuffix("--c--") == true)
    #expect(bytes.section([]) == String(decoding: bytes, as: UTF8.self))
    #expect(bytes.section([], .text)?.hasPrefix("preamble\r\n--b") == true)
    let html = bytes.index.part(at: [2, 2])
    #expect(html?.type == "text" && html?.subtype == "html" && html?.encoding == .base64)
    #expect(bytes.index.part(at: [2, 1])?.charset == "utf-8")
  }

  @Test func `Numbers and sections that do not exist are nil`() {
    for path in [[3], [0], [-1], [1, 1], [2, 3], [2, 1, 1], [2, 2, 1], [Int.max]] {
      #expect(Self.mixed.index.part(at: path) == nil, "\(path)")
    }
    #expect(Self.mixed.section([1], .header) == nil)
    #expect(Self.mixed.section([2, 1], .text) == nil)
    #expect(Self.mixed.section([], .mime) == nil)
  }

  @Test func `A message that is not multipart has its body as part 1`() {
    let bytes = message("Subject: x\n\nbody\n")
    #expect(bytes.section([1]) == "body\r\n")
    #expect(bytes.section([1], .mime) == "Subject: x\r\n\r\n")
    #expect(bytes.section([1, 1]) == nil)
    #expect(bytes.section([2]) == nil)
    #expect(bytes.index.root.lineCount == 1)
  }

  @Test func `A message that is itself message/rfc822 nests`() {
    let bytes = message("Content-Type: message/rfc822\n\nSubject: in\n\nbody\n")
    #expect(bytes.section([1]) == "Subject: in\r\n\r\nbody\r\n")
    #expect(bytes.section([1], .header) == "Subject: in\r\n\r\n")
    #expect(bytes.section([1, 1]) == "body\r\n")
    #expect(bytes.section([1, 1, 1]) == nil)
  }

  @Test func `The last boundary may be missing`() {
    let bytes = message("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n")
    #expect(bytes.index.root.children.count == 2)
    #expect(bytes.section([2]) == "two\r\n")
  }

  @Test func `A boundary at the very end begins no part`() {
    let bytes = message("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b")
    #expect(bytes.index.root.children.count == 1)
    #expect(bytes.section([1]) == "one")
  }

  @Test func `Of boundaries that begin alike the longest is meant`() {
    let inner = message(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n--bb\n\nx\n--bb--\n--b\n\ny\n--b--\n"
    )
    #expect(inner.section([1, 1]) == "x")
    #expect(inner.section([2]) == "y")
    let outer = message(
      "Content-Type: multipart/mixed; boundary=bb\n\n--bb\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--bb\n\ny\n--bb--\n"
    )
    #expect(outer.section([1, 1]) == "x")
    #expect(outer.section([2]) == "y")
  }

  @Test func `Equal boundaries of two levels close the inner one first`() {
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n--b\n\ny\n--b--\n"
    )
    #expect(bytes.section([1, 1]) == "x")
    #expect(bytes.section([2]) == "y")
  }

  @Test func `Empty parts and parts with only a header count`() {
    let bytes = message("Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n--b\nA: b\n--b\nA: c\n\n--b--\n")
    #expect(bytes.index.root.children.count == 4)
    #expect(bytes.section([1], .mime) == "")
    #expect(bytes.section([2], .mime) == "\r\n")
    #expect(bytes.section([3], .mime) == "A: b\r\n")
    #expect(bytes.section([4]) == "")
  }

  @Test(arguments: ["; boundary=b", "", "; boundary"]) func `A multipart without parts has one empty part`(rest: String)
  {
    let bytes = message("Content-Type: multipart/mixed\(rest)\n\nno boundary here\n")
    #expect(bytes.index.root.isMultipart)
    #expect(bytes.section([1]) == "")
    #expect(bytes.bodyStructure.hasPrefix("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0"))
  }

  @Test func `In a digest the default type is message/rfc822`() {
    let bytes = message(
      "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\nbody\n--b\nContent-Type: text/plain\n\nz\n--b--\n"
    )
    #expect(bytes.index.root.children.map(\.type) == ["message", "text"])
    #expect(bytes.section([1, 1]) == "body")
  }

  @Test func `Bare line feeds end lines too`() {
    let bytes = Array("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n".utf8)
    #expect(bytes.section([1]) == "one")
    #expect(bytes.section([2]) == "two")
    #expect(bytes.section([1], .mime) == "\n")
  }

  @Test func `Header only, body only, nothing`() {
    #expect(message("A: b\n").index.headerLength == 6)
    #expect(message("A: b\n").section([], .text) == "")
    #expect(message("\nbody").section([], .text) == "body")
    #expect([UInt8]().index.size == 0)
    #expect([UInt8]().section([]) == "")
    #expect(Array("no line end".utf8).index.headerLength == 11)
  }

  @Test func `Lines that are no field do not end the header`() {
    let bytes = message("From foo@bar Mon Jan\nA: b\nno colon\n stray\nSubject: x\n\nbody\n")
    #expect(bytes.section([], .text) == "body\r\n")
    #expect(bytes.envelope == "(NIL \"x\" NIL NIL NIL NIL NIL NIL NIL NIL)")
  }

  @Test(arguments: ["text", "", "/x", "text/", "\"a/b\"", ";"]) func `An unreadable type is text/plain`(type: String) {
    let bytes = message("Content-Type: \(type)\n\nx\n")
    #expect(bytes.bodyStructure.hasPrefix("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1"))
  }

  @Test func `Parameters, disposition and other fields can be asked for`() throws {
    let bytes = message(
      "Content-Type: a/b; Name*1=y; name*0=\"x \"; z*=utf-8''%41\nContent-ID: <i@d>\nContent-Disposition: Inline; filename=f\n\n"
    )
    let root = bytes.index.root
    let parameters = root.parameters(in: bytes.span.bytes)
    #expect(parameters.map { String(decoding: $0.name, as: UTF8.self) } == ["name", "z*"])
    #expect(parameters.map { String(decoding: $0.value, as: UTF8.self) } == ["x y", "utf-8''%41"])
    #expect(root.value(of: .id, in: bytes.span.bytes) == "<i@d>")
    #expect(root.value(of: .md5, in: bytes.span.bytes) == nil)
    let found = root.disposition(in: bytes.span.bytes)
    let disposition = try #require(found)
    #expect(disposition.value == "inline")
    #expect(disposition.parameters == [MIMEParameter(name: Array("filename".utf8), value: [0x66])])
  }

  @Test func `A boundary may be a continued or encoded parameter`() {
    let continued = message("Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\n\n--bc\n\none\n--bc--\n")
    #expect(continued.section([1]) == "one")
    let encoded = message("Content-Type: multipart/mixed; boundary*=us-ascii''%62\n\n--b\n\none\n--b--\n")
    #expect(encoded.section([1]) == "one")
  }
}
