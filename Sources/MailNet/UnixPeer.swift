import NIOCore

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Who is at the other end of a unix socket, by the kernel's word (unix(7), SO_PEERCRED).
enum UnixPeer {
  #if os(Linux)
    /// `struct ucred`, which the C library shows to GNU sources alone.
    private struct Credentials: Sendable {
      var process: Int32 = 0
      var user: UInt32 = .max
      var group: UInt32 = .max
    }

    /// On the channel's loop.
    static func isOwnUserOrRoot(_ channel: any Channel) -> Bool {
      guard let user = user(of: channel) else { return false }
      return user == 0 || user == geteuid()
    }

    private static func user(of channel: any Channel) -> UInt32? {
      guard let options = channel as? any SocketOptionProvider else { return nil }
      let found: EventLoopFuture<Credentials> = options.unsafeGetSocketOption(
        level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
      // Complete already: asked on the channel's own loop.
      var user: UInt32?
      let taken = NIOLoopBoundBox<UInt32?>(nil, eventLoop: channel.eventLoop)
      found.whenSuccess { taken.value = $0.user }
      user = taken.value
      return user
    }
  #else
    static func isOwnUserOrRoot(_ channel: any Channel) -> Bool { true }
  #endif
}
