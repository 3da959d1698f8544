import MailFormat
import NIOCore
import Testing

@Suite struct BodyStructureTests {
  @Test func `A plain message`() {
    let bytes = message("Subject: x\n\nfoo\nbar")
    #expect(
      String(buffer: bytes.summary.body) == "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 1)")
    #expect(
      bytes.bodyStructure == "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 8 1 NIL NIL NIL NIL)")
  }

  @Test func `Types and parameters keep their spelling`() {
    let bytes = message("Content-Type: TEXT/Html; Charset=\"UTF-8\"; x=\"a\\\"b\"\n\n<x>\n")
    #expect(
      bytes.bodyStructure
        == "(\"TEXT\" \"Html\" (\"Charset\" \"UTF-8\" \"x\" \"a\\\"b\") NIL NIL \"7bit\" 5 1 NIL NIL NIL NIL)")
  }

  @Test func `All fields of a part`() {
    let bytes = message(
      """
      Content-Type: application/pdf; name=a.pdf
      Content-ID: <i@d>
      Content-Description: two
       lines
      Content-Transfer-Encoding: base64
      Content-MD5: abc==
      Content-Disposition: attachment; filename="a b.pdf"; size=3
      Content-Language: en (x), de
      Content-Location: http://a

      YWJj

      """)
    #expect(
      bytes.bodyStructure
        == "(\"application\" \"pdf\" (\"name\" \"a.pdf\") \"<i@d>\" \"two lines\" \"base64\" 6 \"abc==\" "
        + "(\"attachment\" (\"filename\" \"a b.pdf\" \"size\" \"3\")) (\"en\" \"de\") \"http://a\")")
  }

  @Test func `An embedded message brings its envelope, structure and lines`() {
    #expect(
      PartTests.mixed.bodyStructure
        == "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
        + "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 195 (NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) "
        + "((\"text\" \"plain\" (\"charset\" \"UTF-8\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
        + "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"BASE64\" 4 0 NIL NIL NIL NIL) "
        + "\"alternative\" (\"boundary\" \"c\") NIL NIL NIL) 12 NIL NIL NIL NIL) "
        + "\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)")
  }

  @Test func `message/global is an embedded message too`() {
    let bytes = message("Content-Type: message/global\n\nSubject: in\n\nbody\n")
    #expect(SExpression.read(Array(bytes.bodyStructure.utf8))?.items?[7].isEnvelope == true)
  }

  @Test(arguments: [
    ("a=b;; c=d;", "(\"a\" \"b\" \"c\" \"d\")"),
    ("a=b c; d=e", "(\"a\" \"b\" \"d\" \"e\")"),
    (" a = (c) b", "(\"a\" \"b\")"),
    ("a; b=c", "(\"b\" \"c\")"),
    ("=x; b=", "(\"b\" \"\")"),
    ("a=\"b", "(\"a\" \"b\")"),
    ("a=\"b; c=d", "(\"a\" \"b\" \"c\" \"d\")"),
    ("a==?x?b?YQ==/?=; c=d", "(\"a\" \"=?x?b?YQ==/?=\" \"c\" \"d\")"),
    ("n*1=b; y=1; n*0=a", "(\"y\" \"1\" \"n\" \"ab\")"),
    ("n*0*=utf-8'en'a%20; n*1=b%; n*2*=%41", "(\"n*\" \"utf-8'en'a%20b%25%41\")"),
    ("n*0=a; n*2=b; z=y", "(\"z\" \"y\" \"n*0\" \"a\" \"n*2\" \"b\")"),
    ("n=x; n*=utf-8''y", "(\"n\" \"x\" \"n*\" \"utf-8''y\")"),
  ]) func `Parameters are read`(value: String, expected: String) {
    let text = message("Content-Type: a/b; \(value)\n\n").bodyStructure
    #expect(text == "(\"a\" \"b\" \(expected) NIL NIL \"7bit\" 0 NIL NIL NIL NIL)")
  }

  @Test(arguments: [
    ("charset*=utf-8''utf-8", "\"charset*\" \"utf-8''utf-8\""),
    ("CHARSET*0*=''u; charset*1=tf-8", "\"CHARSET*\" \"''utf-8\""),
    ("charset*0=utf; charset*1=-8", "\"charset\" \"utf-8\""),
    ("charse*=utf-8''x", "\"charse*\" \"utf-8''x\" \"charset\" \"us-ascii\""),
  ]) func `A charset with an asterisk is not contradicted by the default`(parameter: String, expected: String) {
    let text = message("Content-Type: text/html; \(parameter)\n\n").bodyStructure
    #expect(text == "(\"text\" \"html\" (\(expected)) NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)")
  }

  @Test func `Nesting beyond the limit is one opaque part`() {
    let bytes = message(
      "Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n")
    let summary = MessageSummary.make(bytes.span.bytes, limits: MIMELimits(depth: 2))
    #expect(summary.index.root.children.map(\.isOpaque) == [true])
    #expect(
      String(buffer: summary.body)
        == "((\"application\" \"octet-stream\" (\"boundary\" \"b\") NIL NIL \"7bit\" 10) \"mixed\")")
  }
}
