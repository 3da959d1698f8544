import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

enum WallClock {
  /// Since 1970.
  static func now() -> (seconds: Int64, nanoseconds: Int64) {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return (Int64(time.tv_sec), Int64(time.tv_nsec))
  }

  static func seconds() -> Int64 { now().seconds }
}

/// Names that no other process of any host gives.
enum UniqueName {
  private static let counter = Atomic<UInt64>(0)

  /// With `/` and `:` as the Maildir description has it, and `,`, which begins `S=`.
  static let host: String = {
    var bytes = [CChar](repeating: 0, count: 256)
    guard gethostname(&bytes, bytes.count - 1) == 0 else { return "localhost" }
    let name = String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return clean(name)
  }()

  static func clean(_ host: String) -> String {
    var result = ""
    for scalar in host.unicodeScalars.prefix(64) {
      switch scalar {
      case "/": result += "\\057"
      case ":": result += "\\072"
      case ",": result += "\\054"
      case "!"..."~": result.unicodeScalars.append(scalar)
      default: result += "_"
      }
    }
    return result.isEmpty ? "localhost" : result
  }

  private static let process = "P\(getpid())_"

  /// `time.MmicrosecondsPpid_n.host`
  static func next() -> String {
    let (seconds, nanoseconds) = WallClock.now()
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return "\(seconds).M\(nanoseconds / 1000)\(process)\(number).\(host)"
  }
}
