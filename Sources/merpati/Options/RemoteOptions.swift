import ArgumentParser
import Foundation
import MailClient
import MailNet
import MerpatiServer

/// How a server is reached and logged in to: the flags beside a URL.
struct RemoteOptions: ParsableArguments {
  @Flag(name: .customLong("starttls"), help: "Begin in the clear and turn to TLS (imap:// and pop3:// only).")
  var startTLS = false
  @Flag(help: "Let the password cross a line without TLS to another machine.")
  var allowCleartextLogin = false
  @Option(
    name: .customLong("ca"),
    help: ArgumentHelp("Trust the certificate authorities of this PEM file.", valueName: "file"))
  var authorities: String?
  @Option(
    help: ArgumentHelp("Trust exactly the certificate with this SHA-256, whatever its name.", valueName: "sha256"))
  var fingerprint: String?
  @Option(help: ArgumentHelp("Take the password from the first line this command prints.", valueName: "command"))
  var passwordCommand: String?
  @Option(help: ArgumentHelp("Take the password from the first line of this file (mode 0600).", valueName: "file"))
  var passwordFile: String?
  @Option(
    help: ArgumentHelp("Log in by OAUTHBEARER or XOAUTH2 with the token this command prints.", valueName: "command"))
  var tokenCommand: String?

  static let environmentName = "MERPATI_PASSWORD"

  func server(_ url: RemoteURL) throws -> RemoteServer {
    try url.server(startTLS: startTLS, trust: trust(), allowsCleartextLogin: allowCleartextLogin)
  }

  func trust() throws -> TransportSecurity.Trust {
    guard let fingerprint else { return authorities.map { .authorities(file: $0) } ?? .system }
    guard authorities == nil else { throw Refusal.usage("give --ca or --fingerprint, not both") }
    guard let trust = TransportSecurity.Trust.fingerprint(hexadecimal: fingerprint) else {
      throw Refusal.usage("--fingerprint: '\(fingerprint)' is not a SHA-256: 64 hexadecimal digits, colons allowed")
    }
    return trust
  }

  /// Never from an argument: arguments can be seen by everybody on the machine.
  func credential(server: RemoteServer) throws -> Credential {
    let given = [passwordCommand, passwordFile, tokenCommand].compactMap { $0 }
    guard given.count <= 1 else {
      throw Refusal.usage("give one of --password-command, --password-file and --token-command")
    }
    if let tokenCommand {
      return .token(CommandTokenSource(command: tokenCommand, server: server.host))
    }
    if let passwordCommand { return .password(.command(passwordCommand)) }
    if let passwordFile { return .password(.file(passwordFile)) }
    if ProcessInfo.processInfo.environment[Self.environmentName] != nil {
      return .password(.environment(Self.environmentName))
    }
    guard isatty(STDIN_FILENO) == 1 else {
      throw Refusal.usage(
        "no password: give --password-command or --password-file, or set \(Self.environmentName) in the environment")
    }
    return .password(.value(try Terminal.readPassword()))
  }
}

/// A URL with its flags, ready to connect.
struct Remote {
  var url: RemoteURL
  var server: RemoteServer
  var user: String
  var credential: Credential

  /// - user, credential: those of another side of the same account, where this URL names none.
  init(_ text: String, _ options: RemoteOptions, user: String? = nil, credential: Credential? = nil) throws {
    url = try RemoteURL(text)
    server = try options.server(url)
    guard let user = url.user ?? user else {
      throw Refusal.usage("\(text): who logs in? Put the name into the URL: \(Self.example(url))")
    }
    self.user = user
    self.credential = try credential ?? options.credential(server: server)
  }

  /// For events and messages: `budi@mail.example.org`, or the user alone where it holds a domain.
  var name: String { user.contains("@") ? user : "\(user)@\(url.host)" }

  private static func example(_ url: RemoteURL) -> String {
    let scheme = url.mailProtocol.rawValue + (url.isImplicitTLS ? "s" : "")
    return "\(scheme)://NAME@\(url.host)"
  }
}
