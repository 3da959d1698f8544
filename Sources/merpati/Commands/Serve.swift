import ArgumentParser
import MerpatiServer

#if canImport(Glibc)
  import CMalloc
#endif

/// The flags of `serve`; each stands for a key of the configuration.
struct ServeOptions: ParsableArguments {
  @Option(help: "The data folder.") var data: String?
  @Option(help: ArgumentHelp("The YAML file.", valueName: "file")) var config: String?
  @Option(help: ArgumentHelp("Listen for IMAP.", valueName: "addr:port")) var imap: String?
  @Option(help: ArgumentHelp("Listen for IMAP over TLS.", valueName: "addr:port")) var imaps: String?
  @Option(help: ArgumentHelp("Listen for POP3.", valueName: "addr:port")) var pop3: String?
  @Option(help: ArgumentHelp("Listen for POP3 over TLS.", valueName: "addr:port")) var pop3s: String?
  @Option(help: ArgumentHelp("Listen for LMTP.", valueName: "addr:port|unix:path")) var lmtp: String?
  @Flag(help: "Take passwords without TLS from other machines too.") var allowCleartextLogin = false
  @Option(help: ArgumentHelp("Write the process number here when ready.", valueName: "file")) var pidFile: String?
  @Option(help: ArgumentHelp("Become this user when the ports are open.", valueName: "name")) var user: String?
  @Option(name: .customLong("set"), help: ArgumentHelp("Set any other key.", valueName: "key=value"))
  var set: [String] = []

  func load() async throws -> EffectiveConfig {
    var flags: [String: String] = [:]
    flags["data"] = data
    flags["imap.listen"] = imap
    flags["imaps.listen"] = imaps
    flags["pop3.listen"] = pop3
    flags["pop3s.listen"] = pop3s
    flags["lmtp.listen"] = lmtp
    flags["pid-file"] = pidFile
    flags["process.user"] = user
    if allowCleartextLogin { flags["auth.allow-cleartext-login"] = "true" }
    do {
      for pair in set {
        guard let equals = pair.firstIndex(of: "="), ConfigTable.row(String(pair[..<equals])) != nil else {
          throw ConfigError("--set \(pair): no such key; see 'merpati config --keys'")
        }
        flags[String(pair[..<equals])] = String(pair[pair.index(after: equals)...])
      }
      return try await EffectiveConfig.load(flags: flags, file: config)
    } catch let error as ConfigError {
      throw Terminal.fail(ControlFailure(.configuration, error.description))
    }
  }
}

struct Serve: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve", abstract: "Serve mail: IMAP, POP3 and LMTP.",
    discussion: """
      Prints one line for each listener with the address it is bound to, then 'ready'. Ends cleanly on SIGTERM and SIGINT; \
      SIGHUP reads certificates again and reopens the log. Every key of 'merpati config' can be set by --set, by the \
      environment (MERPATI_IMAP_LISTEN) or in the YAML file.
      """)
  @OptionGroup var options: ServeOptions

  func run() async throws {
    #if canImport(Glibc)
      // By itself glibc keeps large buffers once one was freed, for nearly every thread apart: after a day of large
      // messages, or an hour of hostile ones, a server is three times as big as what it holds.
      mallopt(M_ARENA_MAX, 4)
      mallopt(M_MMAP_THRESHOLD, 256 << 10)
      mallopt(M_TRIM_THRESHOLD, 1 << 20)
    #endif
    let config = try await options.load()
    do {
      try await ServerProcess(settings: Settings(config)).run()
    } catch let error as ConfigError {
      throw Terminal.fail(ControlFailure(.configuration, error.description))
    } catch let failure as ControlFailure {
      throw Terminal.fail(failure)
    }
  }
}
