import Bytes

/// An address of a From, To, ... field in the form of IMAP's ENVELOPE (RFC 9051 §7.5.2).
///
/// A group begins with an entry that has only `mailbox` (the group's name) and ends with an entry that has nothing.
public struct Address: Sendable, Equatable {
  /// Display name, unquoted, RFC 2047 words kept as they are.
  public var name: [UInt8]?
  /// Obsolete source route, as `@a,@b`.
  public var route: [UInt8]?
  public var mailbox: [UInt8]?
  public var host: [UInt8]?

  public init(name: [UInt8]? = nil, route: [UInt8]? = nil, mailbox: [UInt8]? = nil, host: [UInt8]? = nil) {
    self.name = name
    self.route = route
    self.mailbox = mailbox
    self.host = host
  }

  /// The addresses of a header value, group markers included; never more than `limit`, and one more
  /// where a group has to be ended.
  public static func parse(_ bytes: RawSpan, in value: Range<Int>, limit: Int = 10_000) -> [Address] {
    var result: [Address] = []
    var parser = AddressParser(limit: limit)
    parser.parse(bytes, value) { address in
      result.append(address.value)
      return true
    }
    return result
  }
}

/// One address while it is read; its arrays are used again for the next.
struct AddressScratch {
  var hasName = false
  var hasRoute = false
  var hasMailbox = false
  var hasHost = false
  var name: [UInt8] = []
  var route: [UInt8] = []
  var mailbox: [UInt8] = []
  var host: [UInt8] = []

  mutating func clear() {
    hasName = false
    hasRoute = false
    hasMailbox = false
    hasHost = false
    name.removeAll(keepingCapacity: true)
    route.removeAll(keepingCapacity: true)
    mailbox.removeAll(keepingCapacity: true)
    host.removeAll(keepingCapacity: true)
  }

  var isGroupStart: Bool { hasMailbox && !hasHost }
  var isGroupEnd: Bool { !hasMailbox }

  var value: Address {
    Address(
      name: hasName ? name : nil, route: hasRoute ? route : nil, mailbox: hasMailbox ? mailbox : nil,
      host: hasHost ? host : nil)
  }
}
