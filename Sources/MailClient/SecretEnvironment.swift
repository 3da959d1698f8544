import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Secrets that came in the environment. Once read their octets are gone from there: from /proc/PID/environ, from what
/// `ps e` shows, and from the environment of commands that are run; the variable stays, empty, as other threads may be
/// reading the list. They may be asked for again, as connections are made anew.
enum SecretEnvironment {
  private static let taken = Mutex<[String: [UInt8]]>([:])

  /// Nil: not set.
  static func take(_ name: String) -> [UInt8]? {
    taken.withLock { taken in
      guard let value = getenv(name) else { return nil }
      let secret = (0..<strlen(value)).map { UInt8(bitPattern: value[$0]) }
      if secret.isEmpty { return taken[name] ?? [] }
      // The very octets that the kernel shows.
      for index in secret.indices { value[index] = 0 }
      taken[name] = secret
      return secret
    }
  }
}
