import Bytes
public import NIOCore

/// The answer to `NAMESPACE` (RFC 9051 §6.3.10, RFC 2342).
public struct NamespaceResponse: Hashable, Sendable {
  public struct Entry: Hashable, Sendable {
    public var prefix: String
    /// Nil: NIL, flat names.
    public var separator: UInt8?
    /// The prefix for people, in their language (RFC 5255 §3.4).
    public var translation: String?
    public init(prefix: String, separator: UInt8? = UInt8(ascii: "/"), translation: String? = nil) {
      self.prefix = prefix
      self.separator = separator
      self.translation = translation
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
        if let translation = entry.translation {
          writeStaticString(" \"TRANSLATION\" (")
          // RFC 5255 §3.4: in modified UTF-7, whatever names are in.
          writeIMAPString(ModifiedUTF7.encode(translation), options)
          writeStaticString(")")
        }
        writeStaticString(")")
      }
      writeStaticString(")")
    }
    writeCRLF()
  }
}
