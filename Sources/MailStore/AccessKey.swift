/// What is done with the key under which URLs of a mailbox are authorized (RFC 4467 §2.2).
public enum AccessKeyUse: Sendable {
  /// It is read, if there is one.
  case read
  /// It is read; this becomes it if there is none.
  case orElse([UInt8])
  /// This becomes it.
  case replace([UInt8])
}
