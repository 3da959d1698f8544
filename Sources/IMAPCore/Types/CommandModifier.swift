public import NIOCore

/// A parenthesised parameter of SELECT, EXAMINE, FETCH, STORE or CREATE (RFC 4466 §2): `(CONDSTORE)`,
/// `(CHANGEDSINCE 12 VANISHED)`.
///
/// None is understood yet but USE of CREATE: a command that carries one is answered BAD. Extensions that bring
/// modifiers (CONDSTORE, QRESYNC, PARTIAL) give them a typed case here.
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
