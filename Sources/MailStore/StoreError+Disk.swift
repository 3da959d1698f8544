#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension StoreError {
  /// The disk is full, or the system's quota on it: it may have room again in a while.
  public var isNoRoom: Bool {
    if case .io(_, _, let code) = self { return code == ENOSPC || code == EDQUOT }
    return false
  }
}
