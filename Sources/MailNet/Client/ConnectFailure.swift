import NIOCore
import NIOPosix

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why no connection came about, in plain words.
enum ConnectFailure {
  static func words(_ error: any Error) -> String {
    switch error {
    case let error as NIOConnectionError:
      var reasons: [String] = []
      for failure in error.connectionErrors {
        let reason = "\(failure.target.ipAddress.map { "\($0): " } ?? "")\(words(failure.error))"
        if !reasons.contains(reason) { reasons.append(reason) }
      }
      if !reasons.isEmpty { return reasons.joined(separator: ", ") }
      if let lookup = error.dnsAError ?? error.dnsAAAAError { return words(lookup) }
      return "no address of this name answered"
    case let error as SocketAddressError.UnknownHost:
      return "the name has no address (\(error.errorDescription))"
    case SocketAddressError.unixDomainSocketPathTooLong:
      return "the socket's path is too long"
    case let error as IOError:
      return String(cString: strerror(error.errnoCode)).lowercased()
    case ChannelError.connectTimeout:
      return "nobody answered in time"
    default:
      return "\(error)"
    }
  }
}
