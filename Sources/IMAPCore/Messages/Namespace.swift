import Bytes
public import NIOCore

/// The answer to `NAMESPACE` (RFC 9051 §6.3.10, RFC 2342).
public struct NamespaceResponse: Hashable, Sendable {
  public struct Entry: Hashable, Sendable {
    public var prefix: String
    /// Nil: NIL, flat names.
    public var separator: UInt8?
    public init(prefix: String, separator: UInt8? = UInt8(ascii: "/")) {
      self.prefix = prefix
      self.separator = separator
    }
  }
  /// Empty prints NIL.
  public var personal: [Entry]
  public var otherUsers: [Entry]
  public var shared: [Entry]
  public init(personal: [Entry], otherUsers: [Entry] = [], shared: [Entry] = []) {
    self.personal = personal
    self.otherUsers = otherUsers
    self.shared = shared
  }
}

extension ByteBuffer {
  /// `* NAMESPACE personal other shared` (RFC 9051 §7.3.3).
  public mutating func writeNamespace(_ response: NamespaceResponse, _ options: WireOptions) {
    writeStaticString("* NAMESPACE")
    for entries in [response.personal, response.otherUsers, response.shared] {
      writeSpace()
      if entries.isEmpty {
        writeStaticString("NIL")
        continue
      }
      writeStaticString("(")
      for entry in entries {
        writeStaticString("(")
        writeIMAPString(options.utf8 ? entry.prefix : ModifiedUTF7.encode(entry.prefix), options)
        writeSpace()
        writeSeparator(entry.separator)
        writeStaticString(")")
      }
      writeStaticString(")")
    }
    writeCRLF()
  }
}
