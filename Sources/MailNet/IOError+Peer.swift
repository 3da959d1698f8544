import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension IOError {
  /// The other end has vanished: nothing that anybody here could do better.
  var isPeerGone: Bool {
    [ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ECONNABORTED].contains(errnoCode)
  }

  /// This machine has no such protocol family.
  var isMissingFamily: Bool { [EAFNOSUPPORT, EADDRNOTAVAIL, EPROTONOSUPPORT].contains(errnoCode) }
}
