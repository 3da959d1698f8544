public import MailClient

/// A way to use a mailbox.
public enum Way: String, Sendable, Hashable, Codable, CaseIterable {
  /// Everything is downloaded and deleted on the server.
  case pop3Delete = "pop3-delete"
  /// Everything is downloaded; on the server the last 7 days stay.
  case pop3Keep7 = "pop3-keep-7-days"
  case pop3Keep30 = "pop3-keep-30-days"
  /// Nothing is kept here: a page of headers at each look, and what is read.
  case imapOnline = "imap-online"
  /// Headers and structure of everything are kept here; texts and attachments come when they are read.
  case imapHeaders = "imap-headers"
  /// A whole copy is kept here; changes go one way, from the server.
  case imapMirror = "imap-mirror"
  /// A whole copy is kept here; changes go both ways.
  case imapSync = "imap-sync"

  public var mailProtocol: MailProtocol {
    switch self {
    case .pop3Delete, .pop3Keep7, .pop3Keep30: .pop3
    case .imapOnline, .imapHeaders, .imapMirror, .imapSync: .imap
    }
  }

  /// Days of mail that stay on the server; nil: all of them.
  public var keptDays: Int? {
    switch self {
    case .pop3Delete: 0
    case .pop3Keep7: 7
    case .pop3Keep30: 30
    case .imapOnline, .imapHeaders, .imapMirror, .imapSync: nil
    }
  }

  /// For tables.
  public var title: String {
    switch self {
    case .pop3Delete: "POP3, delete"
    case .pop3Keep7: "POP3, keep 7 days"
    case .pop3Keep30: "POP3, keep 30 days"
    case .imapOnline: "IMAP, online"
    case .imapHeaders: "IMAP, headers"
    case .imapMirror: "IMAP, mirror"
    case .imapSync: "IMAP, sync"
    }
  }

  /// For sentences.
  public var phrase: String {
    switch self {
    case .pop3Delete: "POP3 that deletes on the server"
    case .pop3Keep7: "POP3 with 7 days kept"
    case .pop3Keep30: "POP3 with 30 days kept"
    case .imapOnline: "IMAP online"
    case .imapHeaders: "IMAP with headers kept here"
    case .imapMirror: "an IMAP mirror"
    case .imapSync: "IMAP sync"
    }
  }

  /// What to do, for the head of the report.
  public var advice: String {
    switch self {
    case .pop3Delete: "Use POP3: download everything and delete it on the server."
    case .pop3Keep7: "Use POP3 and keep 7 days on the server."
    case .pop3Keep30: "Use POP3 and keep 30 days on the server."
    case .imapOnline: "Use IMAP and leave everything on the server."
    case .imapHeaders: "Use IMAP and keep only headers on this computer."
    case .imapMirror: "Use IMAP and mirror everything to this computer."
    case .imapSync: "Use IMAP and keep a synced copy on this computer."
    }
  }

  /// The command line, without the address.
  public var command: String {
    switch self {
    case .pop3Delete: "merpati pull pop3 URL --to maildir:DIR --delete"
    case .pop3Keep7: "merpati pull pop3 URL --to maildir:DIR --keep-days 7"
    case .pop3Keep30: "merpati pull pop3 URL --to maildir:DIR --keep-days 30"
    case .imapOnline: "merpati list URL, merpati read URL UID"
    case .imapHeaders: "merpati pull imap URL --to maildir:DIR --mode headers"
    case .imapMirror: "merpati pull imap URL --to maildir:DIR --mode mirror"
    case .imapSync: "merpati pull imap URL --to maildir:DIR --mode sync"
    }
  }
}

/// What can be read from another computer or a phone.
public enum Reach: String, Sendable, Hashable, Codable {
  case everything
  case last30Days = "last-30-days"
  case last7Days = "last-7-days"
  /// Mail that has come since the last download.
  case newMailOnly = "new-mail-only"

  public var title: String {
    switch self {
    case .everything: "everything"
    case .last30Days: "30 days"
    case .last7Days: "7 days"
    case .newMailOnly: "new only"
    }
  }
}

/// What is lost with this computer, if there is no backup of it.
public enum Loss: String, Sendable, Hashable, Codable {
  /// The server has it all.
  case nothing
  /// All but the last days.
  case olderMail = "older-mail"
  case allDownloadedMail = "all-downloaded-mail"

  public var title: String {
    switch self {
    case .nothing: "nothing"
    case .olderMail: "older mail"
    case .allDownloadedMail: "all of it"
    }
  }
}
