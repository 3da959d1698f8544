import NIOCore

/// Owners as they stand in the header of a small frame: what is the same for all messages of a mailbox first, so that a
/// dictionary finds it in one piece, then what differs. Numbers are varints: seven bits an octet, low ones first; signed
/// ones with their sign in the lowest bit. For each owner:
///
/// length and bytes of the account's name, of the mailbox's name; account, mailbox, UIDVALIDITY; zone (signed); length of the
/// trace headers; INTERNALDATE (signed); UID; trace headers.
enum OwnersCoding {
  /// Octets of an owner without names and trace headers.
  private static let shortest = 9

  /// They take at least so many octets, and not many more.
  static func leastLength(_ owners: [FrameOwner]) -> Int {
    var length = shortest * owners.count
    for owner in owners {
      length += min(owner.accountName.utf8.count, Int(UInt16.max)) + min(owner.mailboxName.utf8.count, Int(UInt16.max))
      length += owner.trace.readableBytes
    }
    return length
  }

  /// Appends them to `buffer`.
  static func write(_ owners: [FrameOwner], to buffer: inout ByteBuffer) {
    for owner in owners {
      write(owner.accountName, to: &buffer)
      write(owner.mailboxName, to: &buffer)
      write(UInt64(bitPattern: owner.account), to: &buffer)
      write(UInt64(bitPattern: owner.mailbox), to: &buffer)
      write(UInt64(owner.uidValidity), to: &buffer)
      write(zigzag(Int64(owner.zoneMinutes)), to: &buffer)
      write(UInt64(owner.trace.readableBytes), to: &buffer)
      write(zigzag(owner.internalSeconds), to: &buffer)
      write(UInt64(owner.uid), to: &buffer)
      buffer.writeImmutableBuffer(owner.trace)
    }
  }

  private static func write(_ name: String, to buffer: inout ByteBuffer) {
    let count = name.utf8.count
    if count <= Int(UInt16.max) {
      write(UInt64(count), to: &buffer)
      buffer.writeString(name)
    } else {
      write(UInt64(UInt16.max), to: &buffer)
      buffer.writeBytes(name.utf8.prefix(Int(UInt16.max)))
    }
  }

  private static func write(_ value: UInt64, to buffer: inout ByteBuffer) {
    var rest = value
    while rest > 0x7F {
      buffer.writeInteger(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    buffer.writeInteger(UInt8(truncatingIfNeeded: rest))
  }

  private static func zigzag(_ value: Int64) -> UInt64 { UInt64(bitPattern: (value << 1) ^ (value >> 63)) }
  private static func signed(_ value: UInt64) -> Int64 { Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1) }

  /// Nil: these are not `count` owners to the last byte.
  static func read(_ bytes: UnsafeRawBufferPointer, count: Int) -> [FrameOwner]? {
    var cursor = Cursor(bytes: bytes)
    var owners: [FrameOwner] = []
    guard count * shortest <= bytes.count else { return nil }
    owners.reserveCapacity(count)
    for _ in 0..<count {
      guard let accountName = cursor.name(), let mailboxName = cursor.name(), let account = cursor.varint(),
        let mailbox = cursor.varint(), let validity = cursor.varint(), let zone = cursor.varint(),
        let length = cursor.varint(), let seconds = cursor.varint(), let uid = cursor.varint(),
        let trace = cursor.bytes(length), let uidValidity = UInt32(exactly: validity), let uid = UInt32(exactly: uid),
        let zone = Int16(exactly: signed(zone))
      else { return nil }
      owners.append(
        FrameOwner(
          account: Int64(bitPattern: account), accountName: accountName, mailbox: Int64(bitPattern: mailbox),
          mailboxName: mailboxName, uid: uid, uidValidity: uidValidity, internalSeconds: signed(seconds),
          zoneMinutes: zone, trace: ByteBuffer(bytes: trace)))
    }
    return cursor.at == bytes.count ? owners : nil
  }

  private struct Cursor {
    let bytes: UnsafeRawBufferPointer
    var at = 0

    mutating func varint() -> UInt64? {
      var value: UInt64 = 0
      var shift: UInt64 = 0
      while at < bytes.count, shift < 64 {
        let byte = bytes[at]
        at += 1
        // The tenth octet has room for one bit.
        if shift == 63, byte > 1 { return nil }
        value |= UInt64(byte & 0x7F) << shift
        if byte < 0x80 { return value }
        shift += 7
      }
      return nil
    }

    mutating func bytes(_ count: UInt64) -> UnsafeRawBufferPointer? {
      guard count <= UInt64(bytes.count - at) else { return nil }
      defer { at += Int(count) }
      return UnsafeRawBufferPointer(rebasing: bytes[at..<at + Int(count)])
    }

    mutating func name() -> String? {
      guard let count = varint(), let bytes = bytes(count) else { return nil }
      return String(decoding: bytes, as: UTF8.self)
    }
  }
}
