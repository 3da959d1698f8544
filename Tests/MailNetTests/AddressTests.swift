import NIOCore
import Testing

@testable import MailNet

struct AddressTests {
  private func peer(_ address: String) throws -> PeerAddress {
    PeerAddress(try SocketAddress(ipAddress: address, port: 4711))
  }

  @Test func `Addresses print as they are written`() throws {
    #expect(try peer("192.0.2.7").description == "192.0.2.7:4711")
    #expect(try peer("2001:db8::17").description == "[2001:db8::17]:4711")
    #expect(try peer("2001:db8::17").ipText == "2001:db8::17")
    #expect(PeerAddress.unixSocket.description == "unix")
  }

  @Test func `IPv4 mapped into IPv6 is IPv4`() throws {
    #expect(try peer("::ffff:192.0.2.7") == peer("192.0.2.7"))
    #expect(try peer("::ffff:127.0.0.1").isLoopback)
  }

  @Test func `Loopback is what stays on this machine`() throws {
    #expect(try peer("127.0.0.1").isLoopback)
    #expect(try peer("127.255.0.9").isLoopback)
    #expect(try peer("::1").isLoopback)
    #expect(try !peer("128.0.0.1").isLoopback)
    #expect(try !peer("::2").isLoopback)
    #expect(!PeerAddress.unixSocket.isLoopback)
    #expect(PeerAddress.unixSocket.isLocal)
  }

  @Test func `Limits count IPv4 by address and IPv6 by its 64 bits of network`() throws {
    #expect(try peer("192.0.2.7").limitKey != peer("192.0.2.8").limitKey)
    #expect(try peer("2001:db8:0:1::1").limitKey == peer("2001:db8:0:1:ffff::9").limitKey)
    #expect(try peer("2001:db8:0:1::1").limitKey != peer("2001:db8:0:2::1").limitKey)
    // 0.0.0.1 and ::1 have the same bits at different places.
    #expect(try peer("0.0.0.0").limitKey != peer("::1").limitKey)
  }

  @Test(arguments: [
    ("127.0.0.1:143", ListenAddress.tcp(host: "127.0.0.1", port: 143)),
    ("[::1]:993", .tcp(host: "::1", port: 993)),
    ("mail.example.org:0", .tcp(host: "mail.example.org", port: 0)),
    ("*:143", .tcp(host: "::", port: 143)),
    (":143", .tcp(host: "::", port: 143)),
    ("unix:/run/merpati/lmtp.sock", .unix(path: "/run/merpati/lmtp.sock", mode: 0o660)),
  ])
  func `Listening addresses are read`(text: String, expected: ListenAddress) {
    #expect(ListenAddress(text, unixMode: 0o660) == expected)
  }

  @Test(arguments: ["", "143", "::1:143", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:imap", "unix:"])
  func `What is no address is refused`(text: String) {
    #expect(ListenAddress(text, unixMode: 0o660) == nil)
  }

  @Test func `A printed address is read as itself`() {
    for address in [
      ListenAddress.tcp(host: "::1", port: 1), .tcp(host: "host", port: 2), .unix(path: "/a:b", mode: 0o600),
    ] {
      #expect(ListenAddress(address.description, unixMode: 0o600) == address)
    }
  }

  @Test func `A limiter gives back what it took`() throws {
    let limiter = ConnectionLimiter(ConnectionLimits(total: 3, perAddress: 2))
    let (one, two) = (try peer("192.0.2.1"), try peer("192.0.2.2"))
    #expect(limiter.acquire(one) == nil)
    #expect(limiter.acquire(one) == nil)
    #expect(limiter.acquire(one) == .address)
    #expect(limiter.acquire(two) == nil)
    #expect(limiter.acquire(two) == .total)
    #expect(limiter.acquire(.unixSocket) == .total)
    limiter.release(one)
    #expect(limiter.acquire(.unixSocket) == nil)
    #expect(limiter.count(of: one) == 1)
    #expect(limiter.total == 3)
    #expect(limiter.acquire(account: 7, limit: 1))
    #expect(!limiter.acquire(account: 7, limit: 1))
    limiter.release(account: 7)
    #expect(limiter.count(account: 7) == 0)
    #expect(limiter.acquire(account: 7, limit: 1))
  }
}
