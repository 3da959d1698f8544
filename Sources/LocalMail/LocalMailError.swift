/// Why work on local mail files failed; says which file, and what to do.
public struct LocalMailError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Kind: Sendable, Hashable {
    case io(operation: String, errno: Int32)
    /// Bytes read back are not what was written.
    case differs
    case malformed(String)
    case exists
    case missing
    /// Another process holds the folder.
    case locked
  }
  public var kind: Kind
  public var path: String
  public init(_ kind: Kind, path: String) {
    self.kind = kind
    self.path = path
  }
  public var description: String { fatalError() }
}
