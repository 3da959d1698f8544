import MailClient
import MailNet
import Yams

/// Reads one account: its own keys over those of `defaults`.
struct AccountReader {
  private let own: ConfigurationSection
  private let all: ConfigurationSection
  private let home: String?
  private let folder: String

  init(own: ConfigurationSection, defaults: ConfigurationSection?, home: String?) {
    self.own = own
    self.home = home
    var all = own
    if let defaults { all.fill(from: defaults) }
    self.all = all
    folder = own.file.lastIndex(of: "/").map { String(own.file[..<$0]) } ?? "."
  }

  func account() throws(PullConfigurationError) -> PullAccount {
    let server = try server()
    let name = try text(.name) ?? "\(server.user ?? "")@\(server.host)"
    guard name.utf8.count <= PullLimits.nameOctets, !name.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw error(.name, "too long, or with control characters")
    }
    guard let to = try text(.to) else { throw all.error("to", "where the mail goes is not said") }
    let destination: PullDestination
    do { destination = try PullDestination(to, home: home, folder: folder) } catch {
      throw self.error(.to, error.description)
    }
    try checkKind(server)
    var options = PullOptions()
    options.policy = try policy()
    options.quotaOctets = try octets(.quota)
    options.deliversDoubtfulAgain = try all.flag(ConfigurationKey.atLeastOnce.rawValue)
    options.commitEvery = try number(.commitEvery, 1...1_000_000)
    return PullAccount(
      name: name, server: server, credential: try credential(), destination: destination,
      recipient: try text(.recipient), options: options, mode: try mode(),
      mailboxes: try all.texts(ConfigurationKey.mailboxes.rawValue))
  }

  private func text(_ key: ConfigurationKey) throws(PullConfigurationError) -> String? { try all.text(key.rawValue) }
  private func error(_ key: ConfigurationKey, _ reason: String) -> PullConfigurationError {
    all.error(key.rawValue, reason)
  }

  // MARK: The server

  private func server() throws(PullConfigurationError) -> RemoteServer {
    guard let text = try text(.url) else { throw all.error("url", "the server is not said: pop3s://USER@HOST") }
    let startTLS = try all.flag(ConfigurationKey.starttls.rawValue)
    let trust = try trust()
    let cleartext = try all.flag(ConfigurationKey.allowCleartextLogin.rawValue)
    let server: RemoteServer
    do {
      let url = try RemoteURL(text)
      // What `defaults` says of STARTTLS is meant for those accounts that can use it.
      let isMeant = startTLS && (own.values[ConfigurationKey.starttls.rawValue] != nil || !url.isImplicitTLS)
      server = try url.server(startTLS: isMeant, trust: trust, allowsCleartextLogin: cleartext)
    } catch { throw self.error(.url, error.description) }
    guard let user = server.user, !user.isEmpty else {
      throw error(.url, "without a user: \(server.mailProtocol.rawValue)s://USER@\(server.host)")
    }
    return server
  }

  private func trust() throws(PullConfigurationError) -> TransportSecurity.Trust {
    let file = try text(.ca)
    guard let fingerprint = try text(.fingerprint) else {
      return file.map { .authorities(file: path($0)) } ?? .system
    }
    guard file == nil else { throw error(.fingerprint, "either this or ca") }
    guard let trust = TransportSecurity.Trust.fingerprint(hexadecimal: fingerprint) else {
      throw error(.fingerprint, "not the 64 hexadecimal digits of a SHA-256")
    }
    return trust
  }

  /// Keys of the other protocol, set for this account itself, are a mistake that would otherwise be passed over.
  private func checkKind(_ server: RemoteServer) throws(PullConfigurationError) {
    let foreign: [ConfigurationKey] =
      server.mailProtocol == .pop3 ? [.mode, .mailboxes] : [.policy, .quota, .commitEvery]
    for key in foreign where own.values[key.rawValue] != nil {
      throw own.error(key.rawValue, "not for \(server.mailProtocol.rawValue)")
    }
  }

  // MARK: Secrets

  private func credential() throws(PullConfigurationError) -> PullCredential {
    var found: [(ConfigurationKey, PullCredential)] = []
    if let command = try text(.passwordCommand) { found.append((.passwordCommand, .password(.command(command)))) }
    if let file = try text(.passwordFile) { found.append((.passwordFile, .password(.file(path(file))))) }
    if let name = try text(.passwordEnvironment) {
      found.append((.passwordEnvironment, .password(.environment(name))))
    }
    if let mapping = try all.mapping(ConfigurationKey.secretService.rawValue) {
      var attributes: [String: String] = [:]
      for (key, value) in mapping {
        guard let key = key.string, let value = value.string else {
          throw error(.secretService, "attributes and their values are expected")
        }
        attributes[key] = value
      }
      found.append((.secretService, .password(.secretService(attributes))))
    }
    if let oauth = try oauth() { found.append((.oauth, oauth)) }
    guard let first = found.first else {
      throw all.error(
        nil,
        "where the password is, is not said: password-command, password-file, password-environment, secret-service "
          + "or oauth")
    }
    guard found.count == 1 else {
      throw error(found[1].0, "one source of the password is enough; \(first.0.rawValue) is there as well")
    }
    return first.1
  }

  private func oauth() throws(PullConfigurationError) -> PullCredential? {
    guard let mapping = try all.mapping(ConfigurationKey.oauth.rawValue) else { return nil }
    var known = ["token-command", "token-url", "client-id", "scope"]
    for secret in ["client-secret", "refresh-token"] {
      known += ["command", "file", "environment"].map { "\(secret)-\($0)" }
    }
    let section = try ConfigurationSection(
      mapping, known: known, file: all.file, account: all.account, path: "oauth.")
    if let command = try section.text("token-command") {
      guard section.values.count == 1 else { throw error(.oauth, "token-command needs no other key") }
      return .tokenCommand(command)
    }
    guard let url = try section.text("token-url"), let client = try section.text("client-id"),
      let token = try secret("refresh-token", section)
    else {
      throw error(
        .oauth, "either token-command, or token-url, client-id and refresh-token-command, -file or -environment")
    }
    // In the clear only to this machine; which that is, `OAuthEndpoint` knows.
    guard url.hasPrefix("https://") || url.hasPrefix("http://") else {
      throw error(.oauth, "token-url is no https address")
    }
    return .refresh(
      PullCredential.OAuthRefresh(
        tokenURL: url, clientID: client, clientSecret: try secret("client-secret", section), refreshToken: token,
        scope: try section.text("scope")))
  }

  private func secret(_ name: String, _ section: ConfigurationSection) throws(PullConfigurationError) -> SecretSource? {
    var found: [SecretSource] = []
    if let command = try section.text("\(name)-command") { found.append(.command(command)) }
    if let file = try section.text("\(name)-file") { found.append(.file(path(file))) }
    if let variable = try section.text("\(name)-environment") { found.append(.environment(variable)) }
    guard found.count < 2 else { throw error(.oauth, "one source of \(name) is enough") }
    return found.first
  }

  // MARK: Policy

  private func policy() throws(PullConfigurationError) -> PullPolicy {
    let expected = "delete, keep, keep-days N or keep-under PERCENT is expected"
    guard let text = try text(.policy) else { return .delete }
    let words = text.split(separator: " ").map(String.init)
    switch (words.first, words.count) {
    case ("delete", 1): return .delete
    case ("keep", 1): return .keep
    case ("keep-days", 2):
      guard let days = Int(words[1]), (0...36_500).contains(days) else { throw error(.policy, expected) }
      return .keepDays(days)
    case ("keep-under", 2):
      let number = words[1].hasSuffix("%") ? String(words[1].dropLast()) : words[1]
      guard let percent = Int(number), (1...100).contains(percent) else { throw error(.policy, expected) }
      return .keepUnder(percent: percent)
    default: throw error(.policy, "'\(text)': \(expected)")
    }
  }

  private func mode() throws(PullConfigurationError) -> PullAccount.IMAPMode {
    guard let text = try text(.mode) else { return .mirror }
    guard let mode = PullAccount.IMAPMode(rawValue: text) else {
      throw error(.mode, "'\(text)': mirror, sync or headers is expected")
    }
    return mode
  }

  // MARK: Values

  /// `1G`, `500M`, `10K`, `123`; powers of 1024.
  private func octets(_ key: ConfigurationKey) throws(PullConfigurationError) -> Int64? {
    guard let text = try text(key) else { return nil }
    var digits = Substring(text.uppercased())
    if digits.hasSuffix("IB") { digits.removeLast(2) } else if digits.hasSuffix("B") { digits.removeLast() }
    var factor: Int64 = 1
    for unit in "KMGT" {
      factor *= 1024
      if digits.last == unit {
        digits.removeLast()
        break
      }
      if unit == "T" { factor = 1 }
    }
    guard let number = Int64(digits), number > 0 else { throw error(key, "'\(text)' is no size such as 500M or 2G") }
    return number.multipliedClamping(by: factor)
  }

  private func number(_ key: ConfigurationKey, _ range: ClosedRange<Int>) throws(PullConfigurationError) -> Int? {
    guard let text = try text(key) else { return nil }
    guard let number = Int(text), range.contains(number) else {
      throw error(key, "'\(text)' is no number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  private func path(_ text: String) -> String { PullDestination.path(text, home: home, folder: folder) }
}
