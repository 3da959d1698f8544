import SearchText
import Testing

@Suite struct MessageTextTests {
  @Test func `A line that is no field is looked through as it stands`() {
    let bytes = Array("Subject: x\r\nRagu =?utf-8?q?=C3=A9?= jaya\r\n\r\n".utf8)
    func isFound(_ text: String) -> Bool {
      MessageText.hasFields(TextNeedle(text), bytes.span.bytes, 0..<bytes.count)
    }
    #expect(isFound("ragu \u{E9} jaya") && isFound("=C3=A9"))
    // Nothing stands before it.
    #expect(!isFound(" ragu") && !isFound(": ragu"))
    #expect(isFound("subject: x"))
  }
}
