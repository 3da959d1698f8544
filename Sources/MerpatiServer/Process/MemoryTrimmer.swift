import ServiceLifecycle

#if canImport(Glibc)
  import CMalloc
  import Glibc
#endif

/// Gives memory back to the system that was freed. The allocator keeps it by itself where something still in use lies behind
/// it: after ten thousand logins at once, or an hour of large messages, that is as much again as what is in use.
struct MemoryTrimmer: Service {
  func run() async throws {
    #if canImport(Glibc)
      try? await cancelWhenGracefulShutdown {
        var policy = TrimPolicy()
        while !Task.isCancelled {
          try await Task.sleep(for: .milliseconds(TrimPolicy.interval))
          guard policy.isDue(processor: Self.processorTime(), resident: Self.resident()) else { continue }
          malloc_trim(0)
          policy.trimmed(processor: Self.processorTime(), resident: Self.resident())
        }
      }
    #else
      try? await gracefulShutdown()
    #endif
  }

  #if canImport(Glibc)
    /// Nanoseconds that all threads have worked.
    static func processorTime() -> Int64 {
      var time = timespec()
      clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
      return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Octets in memory that stand in no file; 0 where the system does not say.
    static func resident() -> Int {
      let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { return 0 }
      defer { close(file) }
      var text = [UInt8](repeating: 0, count: 128)
      let count = read(file, &text, text.count)
      guard count > 0 else { return 0 }
      // size resident shared ..., in pages
      let fields = text[..<count].split(separator: UInt8(ascii: " ")).prefix(3).map {
        Int(String(decoding: $0, as: UTF8.self)) ?? 0
      }
      return fields.count < 3 ? 0 : max(0, fields[1] - fields[2]) * Int(sysconf(Int32(_SC_PAGESIZE)))
    }
  #endif
}

/// When it is worth while: trimming locks the allocator for some milliseconds where much is free in small pieces.
struct TrimPolicy {
  /// Milliseconds between two looks.
  static let interval = 1_000
  /// A process that works less than this between two looks rests, nanoseconds.
  static let restful: Int64 = 20_000_000
  /// Work after which a process that rests may have something to give back, nanoseconds.
  static let worthwhile: Int64 = 20_000_000
  /// Growth after which one that works may have: so many octets, and this part of what it has.
  static let growth = 16 << 20
  static let growthPart = 4

  private var last: Int64 = 0
  private var trimmedAt: Int64 = 0
  /// The least since it was trimmed.
  private var floor: Int?

  /// To be called once for each interval.
  /// - processor: nanoseconds of work so far.
  /// - resident: octets in memory now.
  mutating func isDue(processor: Int64, resident: Int) -> Bool {
    let worked = processor - last
    last = processor
    let lowest = min(floor ?? resident, resident)
    floor = lowest
    if worked < Self.restful { return processor - trimmedAt >= Self.worthwhile }
    return resident - lowest >= max(Self.growth, lowest / Self.growthPart)
  }

  mutating func trimmed(processor: Int64, resident: Int) {
    last = processor
    trimmedAt = processor
    floor = resident
  }
}
