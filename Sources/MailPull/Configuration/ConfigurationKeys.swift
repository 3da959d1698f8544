import Yams

/// Every key of an account. Those of one group exclude each other: an account that sets one is not given another of the
/// group from `defaults`.
enum ConfigurationKey: String, CaseIterable {
  case name, url, starttls, ca, fingerprint
  case allowCleartextLogin = "allow-cleartext-login"
  case passwordCommand = "password-command"
  case passwordFile = "password-file"
  case passwordEnvironment = "password-environment"
  case secretService = "secret-service"
  case oauth, to, recipient
  case atLeastOnce = "at-least-once"
  case commitEvery = "commit-every"
  case policy, quota, mode, mailboxes

  var group: [ConfigurationKey] {
    let credentials: [ConfigurationKey] = [
      .passwordCommand, .passwordFile, .passwordEnvironment, .secretService, .oauth,
    ]
    let trust: [ConfigurationKey] = [.ca, .fingerprint]
    return credentials.contains(self) ? credentials : trust.contains(self) ? trust : [self]
  }

  /// These make no sense for several accounts.
  var isForOneAccountOnly: Bool { self == .name || self == .url }
}

/// The keys of one mapping, each with its value and where it stands.
struct ConfigurationSection {
  let file: String
  var account: String?
  private(set) var values: [String: Node] = [:]

  /// Refuses keys that are not in `known`.
  init(_ mapping: Node.Mapping, known: [String], file: String, account: String?, path: String = "")
    throws(PullConfigurationError)
  {
    self.file = file
    self.account = account
    for (keyNode, value) in mapping {
      let key = keyNode.string ?? "?"
      guard known.contains(key) else {
        let hint =
          key.contains("password") && !key.contains("-")
          ? "; a password does not belong into this file: password-command, password-file, password-environment or "
            + "secret-service tells where it is"
          : Spelling.nearest(to: key, in: known).map { "; did you mean '\($0)'?" } ?? ""
        throw PullConfigurationError(
          file: file, line: keyNode.mark?.line, account: account, key: path + key, reason: "no such key\(hint)")
      }
      values[key] = value
    }
  }

  /// Fills in what is not set.
  mutating func fill(from defaults: ConfigurationSection) {
    for (key, value) in defaults.values {
      let group = ConfigurationKey(rawValue: key)?.group.map(\.rawValue) ?? [key]
      if !group.contains(where: { values[$0] != nil && defaults.values[$0] != values[$0] }), values[key] == nil {
        values[key] = value
      }
    }
  }

  func error(_ key: String?, _ reason: String, line: Int? = nil) -> PullConfigurationError {
    PullConfigurationError(
      file: file, line: line ?? key.flatMap { values[$0]?.mark?.line }, account: account, key: key, reason: reason)
  }

  func text(_ key: String) throws(PullConfigurationError) -> String? {
    guard let node = values[key] else { return nil }
    guard case .scalar(let scalar) = node, !scalar.string.isEmpty else { throw error(key, "one value is expected") }
    return scalar.string
  }

  func flag(_ key: String) throws(PullConfigurationError) -> Bool {
    guard let text = try text(key) else { return false }
    switch text.lowercased() {
    case "true", "yes", "on": return true
    case "false", "no", "off": return false
    default: throw error(key, "'\(text)' is neither true nor false")
    }
  }

  func texts(_ key: String) throws(PullConfigurationError) -> [String] {
    guard let node = values[key] else { return [] }
    if case .scalar(let scalar) = node, !scalar.string.isEmpty { return [scalar.string] }
    guard case .sequence(let sequence) = node else { throw error(key, "a list is expected") }
    var result: [String] = []
    for item in sequence {
      guard case .scalar(let scalar) = item, !scalar.string.isEmpty else {
        throw error(key, "a list of names is expected", line: item.mark?.line)
      }
      result.append(scalar.string)
    }
    return result
  }

  func mapping(_ key: String) throws(PullConfigurationError) -> Node.Mapping? {
    guard let node = values[key] else { return nil }
    guard case .mapping(let mapping) = node, !mapping.isEmpty else { throw error(key, "keys and values are expected") }
    return mapping
  }
}
