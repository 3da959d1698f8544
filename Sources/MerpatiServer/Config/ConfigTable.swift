/// What a configuration value looks like.
public enum ConfigKind: Sendable, Hashable {
  case text
  case path
  case integer(ClosedRange<Int>)
  /// Octets: `52428800`, `50M`, `1G` (powers of 1024); `none` where `nil` is allowed.
  case size(optional: Bool)
  /// Seconds: `90`, `90s`, `30m`, `12h`, `7d`.
  case duration
  case flag
  case choice([String])
  /// Permission bits in octal.
  case mode
  /// `ADDRESS:PORT`, `*:PORT`, `[ADDRESS]:PORT` or `unix:PATH`; several parted by commas.
  case listeners
}

/// One key of the configuration: the same key in the YAML file (`imap.listen`), the environment
/// (`MERPATI_IMAP_LISTEN`) and, where `flag` is given, on the command line of `merpati serve`.
public struct ConfigRow: Sendable {
  public let key: String
  public let kind: ConfigKind
  public let fallback: String
  public let flag: String?
  public let isSecret: Bool
  public let help: String

  init(
    _ key: String, _ kind: ConfigKind, _ fallback: String, flag: String? = nil, isSecret: Bool = false, _ help: String
  ) {
    self.key = key
    self.kind = kind
    self.fallback = fallback
    self.flag = flag
    self.isSecret = isSecret
    self.help = help
  }
}

/// Every key there is. `docs/configuration.md` is held against this table by a test; a key that is not here is refused
/// by name.
public enum ConfigTable {
  public static let rows: [ConfigRow] = [
    ConfigRow("data", .path, "", flag: "data", "The data folder. Empty: the place usual for the user."),
    ConfigRow("hostname", .text, "", "The name in greetings and Received lines. Empty: the machine's own."),

    ConfigRow("imap.listen", .listeners, "", flag: "imap", "IMAP with STARTTLS."),
    ConfigRow("imaps.listen", .listeners, "", flag: "imaps", "IMAP over TLS."),
    ConfigRow("pop3.listen", .listeners, "", flag: "pop3", "POP3 with STLS."),
    ConfigRow("pop3s.listen", .listeners, "", flag: "pop3s", "POP3 over TLS."),
    ConfigRow("lmtp.listen", .listeners, "", flag: "lmtp", "LMTP, for the MTA on this machine."),

    ConfigRow(
      "tls.certificate", .path, "", "PEM file with the certificate chain. Empty: self-signed, made on first run."),
    ConfigRow("tls.key", .path, "", "PEM file with the private key."),
    ConfigRow(
      "tls.client-authorities", .path, "",
      "PEM file of authorities whose certificates log clients in (EXTERNAL). Empty: none are asked for."),
    ConfigRow(
      "tls.directory", .path, "", "Folder of NAME.crt and NAME.key pairs, chosen by the name the client asks for."),

    ConfigRow(
      "auth.allow-cleartext-login", .flag, "false", flag: "allow-cleartext-login",
      "Passwords without TLS from other machines too."),
    ConfigRow(
      "auth.trust-loopback", .flag, "true",
      "Connections from this machine count as private. Turn it off behind a proxy on this machine."),
    ConfigRow("auth.scram-iterations", .integer(15_000...2_000_000), "15000", "For passwords set from now on."),
    ConfigRow("auth.failure-delay", .duration, "1s", "Before the answer to a wrong password; doubles up to 15 s."),
    ConfigRow("auth.failures-per-connection", .integer(1...100), "5", "Then the connection ends."),
    ConfigRow(
      "auth.domain", .text, "",
      "Taken off names in tokens and certificates; other domains are refused. Empty: they are accounts as they stand."),
    ConfigRow(
      "auth.certificate-name", .choice(["email", "cn"]), "email",
      "What of a client's certificate names the account (EXTERNAL): rfc822Name, or the common name."),
    ConfigRow("auth.socket", .path, "", "Unix socket where an MTA has passwords checked, as at Dovecot. Empty: none."),
    ConfigRow("auth.socket-mode", .mode, "0660", "Of that socket: who may try passwords."),
    ConfigRow("auth.socket-group", .text, "", "The group of that socket. Empty: the server's own."),

    ConfigRow("oauth.issuer", .text, "", "The issuer of tokens (iss). Empty: no tokens are taken."),
    ConfigRow("oauth.audience", .text, "", "Whom tokens are for (aud): one of these, parted by commas."),
    ConfigRow("oauth.scope", .text, "", "Scopes that a token must have, parted by blanks. Empty: none."),
    ConfigRow("oauth.keys", .text, "", "The issuer's keys (JWKS): a file, or a URL with https."),
    ConfigRow("oauth.keys-lifetime", .duration, "1h", "Then they are read anew."),
    ConfigRow("oauth.account-claim", .text, "email", "The claim that names the account."),
    ConfigRow("oauth.clock-skew", .duration, "60s", "How far the issuer's clock may differ."),
    ConfigRow(
      "oauth.configuration-url", .text, "", "Told to clients that are refused (RFC 7628 §3.2.2). Empty: nothing."),

    ConfigRow("limits.connections", .integer(1...1_000_000), "20000", "Connections in total, each listener."),
    ConfigRow("limits.connections-per-address", .integer(1...1_000_000), "200", "IPv6: per /64. Loopback is exempt."),
    ConfigRow("limits.connections-per-account", .integer(1...100_000), "50", "Logged-in sessions of an account."),
    ConfigRow(
      "limits.message-size", .size(optional: false), "100M", "The largest message taken in (SIZE, APPENDLIMIT)."),
    ConfigRow("limits.login-timeout", .duration, "60s", "From the greeting to the login."),
    ConfigRow("limits.write-timeout", .duration, "60s", "A reader that takes nothing for so long is cut off."),
    ConfigRow("limits.shutdown-grace", .duration, "20s", "What running commands get before a shutdown cuts them."),

    ConfigRow("imap.idle-timeout", .duration, "30m", "At least 29 minutes (RFC 9051 §5.4 wants 30)."),
    ConfigRow(
      "imap.message-limit", .integer(0...1_000_000), "0",
      "Messages that one command may touch (MESSAGELIMIT, RFC 9738); 1000 or more. 0: as many as there are."),
    ConfigRow("imap.compress", .flag, "true", "COMPRESS=DEFLATE is offered (RFC 4978)."),
    ConfigRow(
      "imap.unauthenticate", .flag, "true",
      "UNAUTHENTICATE is offered (RFC 8437). Turn it off behind a proxy that lets a logged-in connection pass."),
    ConfigRow(
      "imap.urlauth", .choice(["always", "tls", "never"]), "always",
      "Where URLAUTH is offered (RFC 4467). tls: inside TLS alone, so that no URLMECH is sent in the clear."),
    ConfigRow(
      "imap.submission-accounts", .text, "",
      "Accounts of submission servers, parted by commas: they may fetch what URLs say submit+ of (RFC 4467 §3)."),
    ConfigRow(
      "imap.utf8-fallback", .choice(["as-is", "surrogate"]), "as-is",
      "What a client that enabled neither UTF8=ACCEPT nor IMAP4rev2 gets of, and may put in, headers with UTF-8."),
    ConfigRow(
      "imap.language", .choice(["en", "id"]), "en",
      "What LANGUAGE default means (RFC 5255 §3.2). Before LANGUAGE texts are English, as i-default has it."),
    ConfigRow(
      "imap.quota-administrators", .text, "",
      "Accounts that set quotas by SETQUOTA, their own and others', parted by commas (QUOTASET, RFC 9208)."),
    ConfigRow(
      "imap.shared-prefix", .text, "shared/",
      "Before names of mailboxes that other accounts share: shared/NAME/INBOX. Empty: they cannot be named."),
    ConfigRow("imap.public-prefix", .text, "Public/", "Before names of the public mailboxes."),
    ConfigRow(
      "imap.public-account", .text, "",
      "The account whose mailboxes are the public ones, for those it gives rights to. Empty: there are none."),
    ConfigRow("pop3.idle-timeout", .duration, "10m", "At least 10 minutes (RFC 1939 §3)."),
    ConfigRow(
      "pop3.login-delay", .duration, "0s", "Between logins of an account (RFC 2449 §6.5). 0: none, not announced."),
    ConfigRow(
      "pop3.utf8-fallback", .choice(["as-is", "surrogate", "refuse"]), "as-is",
      "What a client that never said UTF8 gets of a message with UTF-8 in its header (RFC 6856 §2.1)."),
    ConfigRow("pop3.language", .choice(["en", "id"]), "en", "Of POP3 texts before LANG."),
    ConfigRow("lmtp.socket-mode", .mode, "0660", "Of unix sockets for LMTP: who may deliver."),
    ConfigRow("lmtp.idle-timeout", .duration, "5m", "RFC 5321 §4.5.3.2.7 wants 5 minutes."),
    ConfigRow(
      "lmtp.quota-full", .choice(["552", "452"]), "552",
      "What a full account answers: 552 bounces at once, 452 lets the MTA try again."),
    ConfigRow(
      "lmtp.postmaster", .text, "",
      "The account that takes postmaster's mail (RFC 5321 §4.5.1). Empty: one of that name."),
    ConfigRow("lmtp.recipient-delimiter", .text, "+", "Between user and folder in an address. Empty: no folders."),

    ConfigRow("quota.default-bytes", .size(optional: true), "none", "For accounts with no bound of their own."),
    ConfigRow("quota.default-messages", .text, "none", "For accounts with no bound of their own."),
    ConfigRow("quota.default-mailboxes", .text, "none", "For accounts with no bound of their own."),
    ConfigRow("quota.default-annotations", .size(optional: true), "none", "For accounts with no bound of their own."),

    ConfigRow("store.compression", .choice(["zstd", "none"]), "zstd", "Of message bytes at rest."),
    ConfigRow(
      "store.dictionary", .flag, "true",
      "With what messages of all accounts have in common, kept in the files of mail. off: each message by itself."),
    ConfigRow(
      "store.pack-size", .size(optional: false), "64M",
      "Of one file of message bytes, 64K to 4G. Small ones give the disk of deleted mail back with less copying."),
    ConfigRow("store.keep-expunged-days", .integer(0...3650), "0", "How long the bytes of expunged messages are kept."),
    ConfigRow(
      "store.free-space-floor", .size(optional: true), "128M",
      "Free space on the data folder's volume below which no new mail is taken. none: until the disk is full."),
    ConfigRow("store.compact-interval", .duration, "60s", "Between looks for packs worth rewriting."),
    ConfigRow(
      "store.scrub-rate", .size(optional: false), "1M",
      "Octets a second that are read to verify all mail in the background. 0: none."),
    ConfigRow("store.scrub-interval", .duration, "7d", "Between the end of one round of that and the next."),
    ConfigRow(
      "store.expire-interval", .duration, "1h", "Between looks for mail whose days after POP3 retrieval are over."),

    ConfigRow(
      "search.index", .flag, "true",
      "An index that SEARCH is answered from, about a fifth of the mail's size. off: none, and one there is is removed."
    ),

    ConfigRow(
      "process.user", .text, "", flag: "user",
      "The user to become when the ports are open, where the server is started by root. Empty: none."),
    ConfigRow("process.group", .text, "", "The group to become with it. Empty: the user's own."),

    ConfigRow(
      "log.level", .choice(["trace", "debug", "info", "notice", "warning", "error"]), "info",
      "The least that is written."),
    ConfigRow("log.file", .path, "", "Appended to. Empty: standard error."),
    ConfigRow("log.format", .choice(["text", "json"]), "text", "One line an event in either."),
    ConfigRow("pid-file", .path, "", flag: "pid-file", "Written when ready, removed at the end. Empty: none."),
  ]

  public static func row(_ key: String) -> ConfigRow? { rows.first { $0.key == key } }

  /// `imap.listen` → `MERPATI_IMAP_LISTEN`
  public static func environmentName(_ key: String) -> String {
    "MERPATI_" + key.map { $0 == "." || $0 == "-" ? "_" : String($0).uppercased() }.joined()
  }
}
