import NIOCore
import Testing

@testable import MailPull

@Suite struct MessageProbeTests {
  private func probe(_ text: String, pieces: Int = .max) -> MessageProbe {
    var probe = MessageProbe()
    var bytes = ByteBuffer(string: text)
    while bytes.readableBytes > 0, let piece = bytes.readSlice(length: min(pieces, bytes.readableBytes)) {
      probe.update(piece)
    }
    return probe
  }

  private let header = "Return-Path: <ana@example.org>\r\nMessage-ID:\r\n <1@x>\r\n\r\n"

  @Test func `The hash covers the header and the first lines, however they are cut and ended`() {
    let lines = (1...PullLimits.topLines).map { "line \($0)\r\n" }.joined()
    let whole = probe(header + lines + "and more\r\n").topHash()
    #expect(whole != nil)
    #expect(probe(header + lines).topHash() == whole)
    #expect(probe(header + lines + "and other\r\n", pieces: 7).topHash() == whole)
    #expect(probe((header + lines).replacing("\r\n", with: "\n")).topHash() == whole)
    #expect(probe(header + lines + "\r\n\r\n").topHash() == whole)
    #expect(probe(header + lines.replacing("line 20", with: "line xx")).topHash() != whole)
    #expect(probe("X: y\r\n" + header + lines).topHash() != whole)
  }

  @Test func `A short message, and one without a body, have a hash`() {
    #expect(probe(header + "short").topHash() != probe(header + "shore").topHash())
    #expect(probe("Subject: x").topHash() != nil)
    #expect(probe("").topHash() != nil)
  }

  @Test func `A header beyond the bound has none`() {
    #expect(probe(String(repeating: "X: y\r\n", count: PullLimits.topOctets / 6 + 1)).topHash() == nil)
  }

  @Test func `Message-ID and Return-Path are read, odd ones are none`() {
    #expect(probe(header).messageID() == "1@x")
    #expect(probe(header).returnPath() == "ana@example.org")
    #expect(probe("Message-ID: none\r\n\r\n").messageID() == nil)
    #expect(probe("Return-Path: <>\r\n\r\n").returnPath() == "")
    #expect(probe("Return-Path: <a b@c>\r\n\r\n").returnPath() == "")
    #expect(probe("Subject: x\r\n\r\nMessage-ID: <2@x>\r\n").messageID() == nil)
  }
}
