import Configuration
public import Foundation
import MailNet
import SystemPackage
import Yams

/// What is wrong with the configuration, said so that it can be mended.
public struct ConfigError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// The value of every key, and where each came from.
public struct EffectiveConfig: Sendable {
  public enum Source: String, Sendable { case flag, environment, file, standard = "default" }
  public struct Value: Sendable {
    public var text: String
    public var source: Source
  }
  public private(set) var values: [String: Value]

  public subscript(key: String) -> String { values[key]?.text ?? "" }
  public func source(of key: String) -> Source { values[key]?.source ?? .standard }

  /// Command-line flags over environment over the YAML file over defaults.
  ///
  /// - Parameters:
  ///   - flags: values by configuration key.
  ///   - file: the file named on the command line, or nil to look in the usual places.
  public static func load(
    flags: [String: String], environment: [String: String] = ProcessInfo.processInfo.environment, file: String? = nil
  ) async throws(ConfigError) -> EffectiveConfig {
    let path = file ?? environment["MERPATI_CONFIG"] ?? usualFile(environment)
    try checkEnvironment(environment)
    var layers: [(Source, any ConfigProvider)] = [
      (
        .flag,
        InMemoryProvider(
          name: "command line",
          values: Dictionary(
            uniqueKeysWithValues: flags.map {
              (AbsoluteConfigKey(components($0.key)), ConfigValue(.string($0.value), isSecret: false))
            }))
      ),
      (
        .environment,
        // Rewritten to the provider's spelling of our keys (upper case, `_` for every separator).
        EnvironmentVariablesProvider(environmentVariables: environment.filter { $0.key.hasPrefix("MERPATI_") })
          .mapKeys { AbsoluteConfigKey(["merpati"] + $0.components.map { $0.replacing("-", with: "_") }) }
      ),
    ]
    if let path, try checkFile(path) {
      do {
        layers.append((.file, try await FileProvider<YAMLSnapshot>(filePath: FilePath(path))))
      } catch {
        throw ConfigError("\(path): cannot be read as YAML: \(error)")
      }
    }
    var values: [String: Value] = [:]
    for row in ConfigTable.rows {
      values[row.key] = Value(text: row.fallback, source: .standard)
      for (source, provider) in layers {
        let reader = ConfigReader(provider: provider)
        if let text = reader.string(forKey: ConfigKey(components(row.key)), isSecret: row.isSecret) {
          values[row.key] = Value(text: text, source: source)
          break
        }
      }
      try validate(row, values[row.key]?.text ?? "")
    }
    return EffectiveConfig(values: values)
  }

  private static func components(_ key: String) -> [String] { key.split(separator: ".").map(String.init) }

  private static func usualFile(_ environment: [String: String]) -> String? {
    var candidates: [String] = []
    if let base = environment["XDG_CONFIG_HOME"], !base.isEmpty { candidates.append(base + "/merpati/merpati.yaml") }
    if let home = environment["HOME"], !home.isEmpty { candidates.append(home + "/.config/merpati/merpati.yaml") }
    candidates.append("/etc/merpati/merpati.yaml")
    return candidates.first { FileManager.default.fileExists(atPath: $0) }
  }

  private static func checkEnvironment(_ environment: [String: String]) throws(ConfigError) {
    let known = Set(ConfigTable.rows.map { ConfigTable.environmentName($0.key) })
    for name in environment.keys.sorted()
    where name.hasPrefix("MERPATI_") && !known.contains(name) && !reservedEnvironment.contains(name) {
      throw ConfigError("\(name): no such setting; see 'merpati config --keys'")
    }
  }

  /// Names in our space that are not keys.
  private static let reservedEnvironment: Set<String> = [
    "MERPATI_CONFIG", "MERPATI_PASSWORD", "MERPATI_SHARED", "MERPATI_TEST_BINARY", "MERPATI_TESTS",
  ]

  /// Refuses what is no setting, and what has not the shape of one. False: the file holds nothing but comments.
  private static func checkFile(_ path: String) throws(ConfigError) -> Bool {
    let text: String
    do { text = try String(contentsOfFile: path, encoding: .utf8) } catch {
      throw ConfigError("\(path): cannot be read: \(error.localizedDescription)")
    }
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch { throw ConfigError("\(path): not YAML: \(error)") }
    guard let node else { return false }
    guard case .mapping(let mapping) = node else { throw ConfigError("\(path): the top level must be keys and values") }
    let known = Set(ConfigTable.rows.map(\.key))
    var unknown: [String] = []
    var misshapen: [String] = []
    func walk(_ mapping: Node.Mapping, _ prefix: String) {
      for (keyNode, value) in mapping {
        let key = prefix + (keyNode.string ?? "?")
        let place = key + (keyNode.mark.map { " (line \($0.line))" } ?? "")
        switch value {
        case .scalar where known.contains(key): break
        case .mapping(let inner) where !known.contains(key) && !inner.isEmpty: walk(inner, key + ".")
        default: if known.contains(key) { misshapen.append(place) } else { unknown.append(place) }
        }
      }
    }
    walk(mapping, "")
    // A list or a group in place of a value would otherwise be passed over in silence.
    if !misshapen.isEmpty {
      throw ConfigError("\(path): one value was expected at \(misshapen.joined(separator: ", "))")
    }
    if !unknown.isEmpty {
      throw ConfigError("\(path): no such setting: \(unknown.joined(separator: ", ")); see 'merpati config --keys'")
    }
    return true
  }

  private static func validate(_ row: ConfigRow, _ text: String) throws(ConfigError) {
    func wrong(_ expected: String) -> ConfigError { ConfigError("\(row.key): '\(text)' is not \(expected)") }
    switch row.kind {
    case .text, .path: break
    case .integer(let range):
      guard let number = Int(text), range.contains(number) else {
        throw wrong("a number from \(range.lowerBound) to \(range.upperBound)")
      }
    case .size(let optional):
      if optional, text == "none" { return }
      guard ConfigValues.octets(text) != nil else {
        throw wrong("a size such as 500M or 2G\(optional ? " or none" : "")")
      }
    case .duration:
      guard ConfigValues.seconds(text) != nil else { throw wrong("a duration such as 90s, 30m, 12h or 7d") }
    case .flag:
      guard ConfigValues.flag(text) != nil else { throw wrong("true or false") }
    case .choice(let choices):
      guard choices.contains(text) else { throw wrong("one of \(choices.joined(separator: ", "))") }
    case .mode:
      guard let mode = UInt16(text, radix: 8), mode <= 0o777 else { throw wrong("permission bits such as 0660") }
    case .listeners:
      for part in text.split(separator: ",") where ListenAddress(String(part), unixMode: 0o600) == nil {
        throw wrong("ADDRESS:PORT, *:PORT, [ADDRESS]:PORT or unix:PATH")
      }
    }
  }
}
