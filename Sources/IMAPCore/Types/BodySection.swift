/// What stands between the brackets of `BODY[...]` (RFC 9051 §6.4.5, section-spec).
public struct BodySection: Hashable, Sendable {
  public enum Text: Hashable, Sendable {
    /// Nothing after the part number: its body. With no part number either: the whole message.
    case whole
    case header
    /// Field names as the client wrote them; compare them without ASCII case. Never empty.
    case headerFields([String])
    case headerFieldsNot([String])
    case text
    /// Only after a part number.
    case mime
  }

  /// Part numbers from the outside in, each from 1 on. Empty: the message itself.
  public var part: [UInt32]
  public var text: Text

  public init(part: [UInt32] = [], _ text: Text = .whole) {
    self.part = part
    self.text = text
  }
}

/// `<offset.count>` after a section (RFC 9051 §9, partial), in octets.
public struct Partial: Hashable, Sendable {
  public var offset: Int64
  /// At least 1.
  public var count: Int64
  public init(offset: Int64, count: Int64) {
    self.offset = offset
    self.count = count
  }

  /// The octets asked for, clipped to `size` octets. Empty when it begins beyond the end (RFC 9051 §6.4.5).
  public func range(in size: Int) -> Range<Int> {
    let start = Int(min(offset, Int64(size)))
    return start..<(start + Int(min(count, Int64(size - start))))
  }
}
