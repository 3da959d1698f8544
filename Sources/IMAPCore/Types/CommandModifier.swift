public import NIOCore

/// A parenthesised parameter of SELECT, EXAMINE, FETCH, STORE or CREATE (RFC 4466 §2): `(CONDSTORE)`,
/// `(CHANGEDSINCE 12 VANISHED)`.
///
/// Those that are known stand as typed fields in their commands, and only print from here; one that is left here after
/// reading is known to nobody, and the command is answered BAD.
public struct CommandModifier: Hashable, Sendable {
  /// In upper case.
  public var name: String
  /// The value as it stood on the wire (tagged-ext-val), parentheses included; nil: none.
  public var value: ByteBuffer?
  public init(_ name: String, value: ByteBuffer? = nil) {
    self.name = name
    self.value = value
  }
}
