#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

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

  public var description: String {
    switch kind {
    case .io(let operation, let code):
      "\(path): \(operation) failed: \(Self.text(code)). \(Self.advice(code))"
    case .differs:
      "\(path): the bytes read back are not those that were written. "
        + "Check the disk; the message was not counted as saved and can be fetched again."
    case .malformed(let what): "\(path): \(what)."
    case .exists: "\(path): is there already. Choose another name or remove it."
    case .missing: "\(path): is not there; another program may have removed it. Look at the folder again."
    case .locked: "\(path): another process holds the lock. Try again when it is done; remove the lock if none runs."
    }
  }

  private static func text(_ code: Int32) -> String {
    guard let text = strerror(code) else { return "error \(code)" }
    return String(cString: text)
  }

  private static func advice(_ code: Int32) -> String {
    switch code {
    case ENOSPC, EDQUOT: "Free space on that disk and run again; nothing that was saved before is touched."
    case EACCES, EPERM, EROFS: "Give this user the right to write there."
    case ENOENT, ENOTDIR: "Check that the folder exists."
    case EMFILE, ENFILE: "Raise the limit of open files."
    case EIO: "The disk reports damage: check it before you go on."
    default: "Run again when it is put right."
    }
  }

  /// What the call found instead of the file.
  var isMissing: Bool { if case .missing = kind { true } else { false } }
  var isExisting: Bool { if case .exists = kind { true } else { false } }
}
