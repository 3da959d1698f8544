public import NIOCore

/// Who is at the other end of a connection. IPv4 addresses mapped into IPv6 count as IPv4.
public struct PeerAddress: Sendable, Hashable, CustomStringConvertible {
  enum Family: UInt8 { case unix, ipv4, ipv6 }

  /// The network bits that limits and failure delays count by: an IPv4 address, an IPv6 /64, or all unix sockets.
  public struct LimitKey: Sendable, Hashable {
    let family: Family
    let network: UInt64
  }

  let family: Family
  /// The 128 bits of an IPv6 address, or 32 in `low` for IPv4.
  let high: UInt64
  let low: UInt64
  /// 0 for unix sockets.
  public let port: UInt16

  init(family: Family, high: UInt64, low: UInt64, port: UInt16) {
    self.family = family
    self.high = high
    self.low = low
    self.port = port
  }

  /// A local process on a unix socket.
  public static let unixSocket = PeerAddress(family: .unix, high: 0, low: 0, port: 0)

  public init(_ address: SocketAddress) {
    let port = UInt16(truncatingIfNeeded: address.port ?? 0)
    switch address {
    case .v4(let v4):
      // sockaddr_in: the address is at offset 4, sockaddr_in6: at 8, here and everywhere.
      let low = withUnsafeBytes(of: v4.address) { Self.bigEndian(UInt32.self, $0, at: 4) }
      self.init(family: .ipv4, high: 0, low: UInt64(low), port: port)
    case .v6(let v6):
      let (high, low) = withUnsafeBytes(of: v6.address) {
        (Self.bigEndian(UInt64.self, $0, at: 8), Self.bigEndian(UInt64.self, $0, at: 16))
      }
      self.init(high: high, low: low, port: port)
    case .unixDomainSocket:
      self = .unixSocket
    }
  }

  private static func bigEndian<Number: FixedWidthInteger & BitwiseCopyable>(
    _: Number.Type, _ bytes: UnsafeRawBufferPointer, at offset: Int
  ) -> Number {
    Number(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }

  /// An IPv6 address; ::ffff:0:0/96 becomes IPv4 (RFC 4291 §2.5.5.2).
  init(high: UInt64, low: UInt64, port: UInt16) {
    if high == 0, low >> 32 == 0xFFFF {
      self.init(family: .ipv4, high: 0, low: low & 0xFFFF_FFFF, port: port)
    } else {
      self.init(family: .ipv6, high: high, low: low, port: port)
    }
  }

  /// Nil: no address of either family.
  public init?(ip text: String, port: UInt16) {
    guard let address = try? SocketAddress(ipAddress: text, port: Int(port)) else { return nil }
    self.init(address)
  }

  public var isUnixSocket: Bool { family == .unix }

  /// 127.0.0.0/8 or ::1. A unix socket is not an address: ask `isUnixSocket`.
  public var isLoopback: Bool {
    switch family {
    case .unix: false
    case .ipv4: low >> 24 == 127
    case .ipv6: high == 0 && low == 1
    }
  }

  /// Never leaves this machine.
  public var isLocal: Bool { isUnixSocket || isLoopback }

  public var limitKey: LimitKey {
    switch family {
    case .unix: LimitKey(family: .unix, network: 0)
    case .ipv4: LimitKey(family: .ipv4, network: low)
    case .ipv6: LimitKey(family: .ipv6, network: high)
    }
  }

  /// The address without its port; "unix" for a unix socket.
  public var ipText: String {
    switch family {
    case .unix:
      return "unix"
    case .ipv4:
      return "\(low >> 24 & 255).\(low >> 16 & 255).\(low >> 8 & 255).\(low & 255)"
    case .ipv6:
      var packed = ByteBuffer()
      packed.writeInteger(high)
      packed.writeInteger(low)
      return (try? SocketAddress(packedIPAddress: packed, port: Int(port)))?.ipAddress ?? "?"
    }
  }

  public var description: String {
    switch family {
    case .unix: "unix"
    case .ipv4: "\(ipText):\(port)"
    case .ipv6: "[\(ipText)]:\(port)"
    }
  }
}
