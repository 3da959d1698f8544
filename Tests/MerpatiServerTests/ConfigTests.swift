import Foundation
import Testing

@testable import MerpatiServer

@Suite struct ConfigTests {
  private func file(_ text: String) throws -> String {
    let path = NSTemporaryDirectory() + "merpati-\(UUID().uuidString).yaml"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }

  @Test(arguments: [
    ("0", 0), ("123", 123), ("10K", 10_240), ("1k", 1024), ("500M", 524_288_000), ("2G", 2_147_483_648),
    ("1GiB", 1 << 30),
    ("5MB", 5 << 20),
  ])
  func `Sizes read as people write them`(text: String, octets: Int64) {
    #expect(ConfigValues.octets(text) == octets)
  }

  @Test(arguments: ["", "G", "-1", "1.5G", "1X", "99999999999999999999", "9999999999T", "٣"])
  func `What is no size is refused`(text: String) {
    #expect(ConfigValues.octets(text) == nil)
  }

  @Test(arguments: [("90", 90), ("90s", 90), ("30m", 1800), ("12h", 43_200), ("7d", 604_800)])
  func `Durations read as people write them`(text: String, seconds: Int) {
    #expect(ConfigValues.seconds(text) == seconds)
  }

  @Test func `Flags stand over the environment, the environment over the file, the file over defaults`() async throws {
    let path = try file("hostname: from-file\nlog:\n  level: debug\npop3:\n  login-delay: 5s\n")
    defer { try? FileManager.default.removeItem(atPath: path) }
    let config = try await EffectiveConfig.load(
      flags: ["log.level": "error"],
      environment: ["MERPATI_LOG_LEVEL": "trace", "MERPATI_HOSTNAME": "from-environment"], file: path)
    #expect(config["log.level"] == "error")
    #expect(config.source(of: "log.level") == .flag)
    #expect(config["hostname"] == "from-environment")
    #expect(config.source(of: "hostname") == .environment)
    #expect(config["pop3.login-delay"] == "5s")
    #expect(config.source(of: "pop3.login-delay") == .file)
    #expect(config["imap.idle-timeout"] == "30m")
    #expect(config.source(of: "imap.idle-timeout") == .standard)
  }

  @Test(arguments: ["imap:\n  lisen: x\n", "nonsense: 1\n", "imap:\n  listen:\n    deep: 1\n"])
  func `An unknown key in the file is refused by name`(text: String) async throws {
    let path = try file(text)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let error = await #expect(throws: ConfigError.self) {
      _ = try await EffectiveConfig.load(flags: [:], environment: [:], file: path)
    }
    #expect(error?.description.contains(path) == true)
  }

  @Test func `An unknown name in the environment is refused by name`() async {
    let error = await #expect(throws: ConfigError.self) {
      _ = try await EffectiveConfig.load(flags: [:], environment: ["MERPATI_IMAP_LISEN": "x"])
    }
    #expect(error?.description.contains("MERPATI_IMAP_LISEN") == true)
  }

  @Test(arguments: [
    ("imap.listen", "nowhere"), ("limits.message-size", "big"), ("log.level", "loud"),
    ("auth.scram-iterations", "4096"),
    ("imap.idle-timeout", "soon"), ("auth.allow-cleartext-login", "perhaps"), ("lmtp.socket-mode", "999"),
  ])
  func `A value that does not fit is refused by its key`(key: String, value: String) async {
    let error = await #expect(throws: ConfigError.self) {
      _ = try await EffectiveConfig.load(flags: [key: value], environment: [:])
    }
    #expect(error?.description.hasPrefix(key) == true)
  }

  @Test func `Idle time-outs below what the protocols demand are refused`() async throws {
    for (key, value) in [("imap.idle-timeout", "28m"), ("pop3.idle-timeout", "9m")] {
      let config = try await EffectiveConfig.load(flags: [key: value], environment: [:])
      #expect(throws: ConfigError.self) { _ = try Settings(config) }
    }
  }

  @Test func `With no listener named the usual ports are taken; naming one takes only that one`() async throws {
    let standard = try Settings(await EffectiveConfig.load(flags: ["data": "/d"], environment: [:]))
    #expect(standard.listeners.map(\.name) == [.imap, .imaps, .pop3, .pop3s, .lmtp])
    let one = try Settings(
      await EffectiveConfig.load(flags: ["data": "/d", "pop3.listen": "127.0.0.1:1110"], environment: [:]))
    #expect(one.listeners.map(\.name) == [.pop3])
  }
}
