import ArgumentParser
import Foundation
import IMAPClient
import MailClient
import MailNet
import MailPull
import MailSync
import MerpatiServer
import NIOPosix

/// Flags that say where `list` and `read` look.
struct PlaceOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The mailbox; INBOX if neither this nor the URL names one.", valueName: "name"))
  var mailbox: String?
  @Option(help: ArgumentHelp("Take the account of this name from a file of accounts.", valueName: "file"))
  var config: String?
  @Flag(help: "With headers at home: do not connect; say what is missing instead.")
  var offline = false
  @Option(
    help: ArgumentHelp(
      "With headers at home: fetch what is missing from here, not from where they came. The same account.",
      valueName: "url"))
  var server: String?
}

/// Where `list` and `read` look.
enum MailPlace {
  struct Server {
    var server: RemoteServer
    var user: String
    var credential: Credential
    var mailbox: String
  }
  struct Kept {
    var replica: HeaderReplica
    var mailbox: String
  }

  case server(Server)
  /// What `pull imap --mode headers` keeps.
  case replica(Kept)

  /// - text: a URL, `maildir:DIR`, or with `--config` the name of an account.
  static func find(_ text: String, _ options: PlaceOptions, _ remote: RemoteOptions) async throws -> MailPlace {
    let place: MailPlace
    if let file = options.config {
      place = try account(text, file: file, options)
    } else {
      place = try await other(text, options, remote)
    }
    if case .server = place, options.offline || options.server != nil {
      throw Refusal.usage(
        "--offline and --server go with headers that are at home: maildir:DIR, or an account with mode headers")
    }
    return place
  }

  private static func other(
    _ text: String, _ options: PlaceOptions, _ remote: RemoteOptions
  ) async throws -> MailPlace {
    guard !text.hasPrefix("maildir:") else {
      guard case .maildir(let directory) = try Places.destination(text) else { throw Refusal.usage("maildir:DIR") }
      let replica = try HeaderReplica.open(folder: directory, connect: nil)
      if options.offline { return .replica(.init(replica: replica, mailbox: options.mailbox ?? "INBOX")) }
      let (server, account) = (try await replica.server(), try await replica.account() ?? "")
      let override = options.server
      let connecting = replica.connecting {
        // Only now is a password needed, or a server.
        let target = try source(kept: server, override, account: account, directory, remote)
        return try await connection(target.0, target.1, remote.credential(server: target.0))
      }
      return .replica(.init(replica: connecting, mailbox: options.mailbox ?? "INBOX"))
    }
    let found = try Remote(text, remote)
    guard found.url.mailbox == nil || options.mailbox == nil else {
      throw Refusal.usage("the mailbox stands in the URL and behind --mailbox; once is enough")
    }
    return .server(
      .init(
        server: found.server, user: found.user, credential: found.credential,
        mailbox: found.url.mailbox ?? options.mailbox ?? "INBOX"))
  }

  private static func account(_ name: String, file: String, _ options: PlaceOptions) throws -> MailPlace {
    let path = Places.absolute(file)
    let account = try PullConfiguration(file: path, home: Places.home).accounts(named: [name], file: path)[0]
    guard options.server == nil else { throw Refusal.usage("--server: the account's URL is in \(path)") }
    let server = account.server
    let user = server.user ?? ""
    let credential = account.credential
    let group = MultiThreadedEventLoopGroup.singleton
    if server.mailProtocol == .imap, account.mode == .headers, case .maildir(let directory) = account.destination {
      let replica = try HeaderReplica.open(folder: directory, connect: nil)
      let connecting = replica.connecting {
        try await connection(server, user, credential.credential(server: server, group: group))
      }
      return .replica(.init(replica: options.offline ? replica : connecting, mailbox: options.mailbox ?? "INBOX"))
    }
    return .server(
      .init(
        server: server, user: user, credential: try credential.credential(server: server, group: group),
        mailbox: options.mailbox ?? "INBOX"))
  }

  /// The server that the headers came from, or another way to it.
  private static func source(
    kept: ReplicaServer?, _ override: String?, account: String, _ directory: String, _ options: RemoteOptions
  ) throws -> (RemoteServer, String) {
    if let override {
      let url = try RemoteURL(override)
      guard let user = url.user else { throw Refusal.usage("--server: the URL names no user") }
      // An account of a file of accounts is kept under its own name.
      let known = [account, kept.flatMap { try? RemoteURL($0.url) }.map(Self.name) ?? account]
      guard known.contains(Self.name(url)) else { throw SyncError.otherAccount(path: directory, account: account) }
      return (try options.server(url), user)
    }
    guard let kept else {
      throw Refusal.usage(
        "\(directory): it is not known where the headers came from (or the file is not yours alone): give --server imaps://USER@HOST"
      )
    }
    var server = try kept.server(allowsCleartextLogin: options.allowCleartextLogin)
    // What is said now counts more than what was said at the last pull.
    if options.authorities != nil || options.fingerprint != nil { server.security.trust = try options.trust() }
    guard let user = server.user else { throw Refusal.usage("\(directory): give --server imaps://USER@HOST") }
    return (server, user)
  }

  /// As `Remote.name`.
  private static func name(_ url: RemoteURL) -> String {
    let user = url.user ?? ""
    return user.contains("@") ? user : "\(user)@\(url.host)"
  }

  private static func connection(
    _ server: RemoteServer, _ user: String, _ credential: Credential
  ) async throws -> sending any SyncRemote {
    let client = try await IMAPClient.connect(
      to: server, group: MultiThreadedEventLoopGroup.singleton, timeouts: .init())
    do { try await client.logIn(user: user, credential, compress: true) } catch {
      await client.abandon()
      throw error
    }
    return IMAPRemote(client, server: server.address.description)
  }
}
