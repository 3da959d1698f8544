import LocalMail
import Yams

/// The accounts of a file: `accounts`, a list, and `defaults`, keys that an account has unless it sets them itself.
public struct PullConfiguration: Sendable {
  public var accounts: [PullAccount]

  /// Reads a YAML file. Blocks.
  /// - home: what `~/` in paths stands for. Other relative paths are relative to the file's folder.
  public init(file: String, home: String?) throws(PullConfigurationError) {
    let bytes: [UInt8]
    do { bytes = try PullFiles.read(file, limit: PullLimits.configurationOctets) } catch {
      throw PullConfigurationError(file: file, reason: "cannot be read: \(error)")
    }
    try self.init(text: String(decoding: bytes, as: UTF8.self), file: file, home: home)
  }

  /// - file: for errors, and for relative paths.
  public init(text: String, file: String, home: String?) throws(PullConfigurationError) {
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw PullConfigurationError(file: file, line: Self.line(of: error), reason: Self.sentence(error))
    }
    guard let node, case .mapping(let top) = node else {
      throw PullConfigurationError(file: file, reason: "'accounts:' with a list is expected")
    }
    let head = try ConfigurationSection(top, known: ["accounts", "defaults"], file: file, account: nil)
    guard let list = head.values["accounts"], case .sequence(let sequence) = list, !sequence.isEmpty else {
      throw head.error("accounts", "a list of accounts is expected")
    }
    guard sequence.count <= PullLimits.accounts else {
      throw head.error("accounts", "more than \(PullLimits.accounts) accounts")
    }
    let known = ConfigurationKey.allCases
    var defaults: ConfigurationSection?
    if let mapping = try head.mapping("defaults") {
      defaults = try ConfigurationSection(
        mapping, known: known.filter { !$0.isForOneAccountOnly }.map(\.rawValue), file: file, account: nil,
        path: "defaults.")
    }
    accounts = []
    for (position, item) in sequence.enumerated() {
      guard case .mapping(let mapping) = item else {
        throw PullConfigurationError(
          file: file, line: item.mark?.line, key: "accounts", reason: "entry \(position + 1) is no mapping of keys")
      }
      // Not by its URL: somebody may have written a password into it.
      let label = mapping["name"]?.string ?? "number \(position + 1)"
      let own = try ConfigurationSection(mapping, known: known.map(\.rawValue), file: file, account: label)
      let account = try AccountReader(own: own, defaults: defaults, home: home).account()
      guard !accounts.contains(where: { $0.name == account.name }) else {
        throw PullConfigurationError(
          file: file, line: item.mark?.line, account: account.name, key: "name", reason: "two accounts have this name")
      }
      accounts.append(account)
    }
  }

  /// The accounts of these names, in this order; all if there are none.
  public func accounts(named names: [String], file: String) throws(PullConfigurationError) -> [PullAccount] {
    if names.isEmpty { return accounts }
    var result: [PullAccount] = []
    for name in names {
      guard let account = accounts.first(where: { $0.name == name }) else {
        let hint = Spelling.nearest(to: name, in: accounts.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
        throw PullConfigurationError(file: file, account: name, reason: "no such account\(hint)")
      }
      if !result.contains(where: { $0.name == name }) { result.append(account) }
    }
    return result
  }

  private static func line(of error: any Error) -> Int? {
    switch error as? YamlError {
    case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): mark.line
    case .duplicatedKeysInMapping(_, let context): context.mark.line
    default: nil
    }
  }

  private static func sentence(_ error: any Error) -> String {
    switch error as? YamlError {
    case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _):
      "not YAML: \(problem)"
    case .duplicatedKeysInMapping(let keys, _):
      "given twice: \(keys.map { "\($0)" }.joined(separator: ", "))"
    default: "not YAML: \(error)"
    }
  }
}
