import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Listening sockets that somebody else opened: a service manager, or we ourselves while we were still root.
public enum BoundSocket {
  /// Opens a TCP port without accepting anything yet. The descriptor goes to `ListenerSettings.descriptor`.
  public static func open(host: String, port: Int) throws -> CInt {
    do {
      return try open(try SocketAddress.makeAddressResolvingHost(host, port: port))
    } catch let error as IOError where host == "::" && error.isMissingFamily {
      // As `Listener.bind`: where the kernel knows no IPv6, all addresses are all IPv4 addresses.
      return try open(try SocketAddress.makeAddressResolvingHost("0.0.0.0", port: port))
    }
  }

  private static func open(_ address: SocketAddress) throws -> CInt {
    #if canImport(Glibc)
      let stream = CInt(SOCK_STREAM.rawValue)
    #else
      let stream = SOCK_STREAM
    #endif
    let descriptor = socket(address.protocol == .inet6 ? AF_INET6 : AF_INET, stream, 0)
    guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket for \(address)") }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    var yes: CInt = 1
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<CInt>.size))
    let bound = address.withSockAddr { pointer, size in bind(descriptor, pointer, socklen_t(size)) }
    guard bound == 0 else {
      let code = errno
      _ = close(descriptor)
      throw IOError(errnoCode: code, reason: "bind \(address)")
    }
    return descriptor
  }

  /// A socket that accepts connections.
  public static func listens(_ descriptor: CInt) -> Bool {
    var value: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0
  }

  /// Whether its clients come by TCP; nil if it is no socket of a kind we serve.
  static func isTCP(_ descriptor: CInt) -> Bool? {
    var address = sockaddr_storage()
    var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
    let found = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &size) }
    }
    guard found == 0 else { return nil }
    switch CInt(address.ss_family) {
    case AF_INET, AF_INET6: return true
    case AF_UNIX: return false
    default: return nil
    }
  }
}
