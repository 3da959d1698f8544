public import IMAPCore
public import NIOCore

/// Every limit and name of the IMAP service. Shown in `docs/limits.md`; the reply a client hears stands with each.
public struct IMAPServerSettings: Sendable {
  /// What ID answers (RFC 2971 §3.3).
  public var productName = "Merpati"
  public var productVersion = "0"

  /// Octets of one APPENDed message, announced as APPENDLIMIT (RFC 7889). Beyond: `NO [TOOBIG]`.
  public var appendLimit = 64 << 20
  /// Octets of all messages of one APPEND of several (RFC 3502), which are held until the last has come. Beyond: `NO
  /// [LIMIT]`.
  public var appendTogether = 16 << 20
  /// Messages that one SEARCH, FETCH, STORE, COPY, MOVE, APPEND or UID EXPUNGE may touch, announced as MESSAGELIMIT
  /// (RFC 9738). 0: as many as there are, and what bounds COPY and APPEND is announced as SAVELIMIT. Beyond: the last ones,
  /// and `OK [MESSAGELIMIT]`; of COPY and APPEND none, and `NO [MESSAGELIMIT]`. An ESEARCH of the selected mailbox alone
  /// counts as a SEARCH.
  public var messageLimit = 0
  /// Mailboxes that the URLs of one APPEND may name (RFC 4469). Beyond: `NO [LIMIT]`.
  public var catenatedMailboxes = 100
  /// Bounds of lines, literals, sets and nesting; see each for what the client hears.
  public var wire = IMAPLimits()

  /// What a client that asks for the language `default` hears (RFC 5255 §3.2).
  public var language = SessionLanguage.english
  /// Where URLAUTH is offered.
  public var urlAuth = URLAuthOffer.always
  /// Accounts that act for submission servers: who may fetch `submit+` URLs (RFC 4467 §3).
  public var submissionAccounts: [String] = []
  /// Accounts that may set quotas by SETQUOTA, everybody's (RFC 9208 §4.1.3). In other sessions it is `NO [NOPERM]`, and
  /// QUOTASET is not announced.
  public var quotaAdministrators: [String] = []
  /// Before names of mailboxes of others, with a separator at its end. Empty: they cannot be named.
  public var othersPrefix = "shared/"
  /// The same for those of `publicAccount`.
  public var publicPrefix = "Public/"
  /// The account whose mailboxes are the public ones. Empty: there are none.
  public var publicAccount = ""
  /// What sessions that did not ask for UTF-8 get of headers with UTF-8.
  public var utf8Fallback = HeaderFallback.asIs
  /// Octets of all headers of a message of which a surrogate is made. Beyond: it is shown as it is.
  public var surrogateHeaders = 1 << 20

  /// Time to log in. Then: `BYE`.
  public var loginTimeout: TimeAmount = .seconds(60)
  /// Silence after login, IDLE included. Then: `BYE`. RFC 9051 §5.4 demands 30 minutes at least; the seconds on top
  /// are for clients that re-issue IDLE just then.
  public var idleTimeout: TimeAmount = .seconds(30 * 60 + 15)
  /// Time for the rest of a command or literal that has begun to arrive. Then: `BYE`.
  public var commandTimeout: TimeAmount = .minutes(5)
  /// Commands that may be given before login. Beyond: `BYE`.
  public var commandsBeforeLogin = 60
  /// Unknown or malformed commands before login. Beyond: `BYE`, so that a browser cannot be used against the server.
  public var badCommandsBeforeLogin = 5
  /// The same after login, in one row without a good one between.
  public var badCommandsAfterLogin = 50
  /// Commands carried out one after the other before the loop's other sessions have their turn.
  public var commandsPerTurn = 64
  /// Octets of output encoded before the socket must take them.
  public var outputChunk = 128 << 10
  /// Messages larger than this are streamed, never held whole.
  public var wholeMessageLimit = 256 << 10
  /// In SEARCH BODY and TEXT, messages larger than this are read part by part.
  public var searchWholeMessageLimit = 4 << 20
  /// Texts of one SEARCH for each of which messages are read and decoded: BODY, TEXT, and HEADER of fields that are not
  /// kept beside the message. Beyond: `NO [LIMIT]`.
  public var searchTexts = 100
  /// Octets of all texts that one SEARCH matches loosely (FUZZY, RFC 6203): each of their words is a text of its own. Beyond:
  /// `NO [LIMIT]`.
  public var fuzzyOctets = 4096
  /// Octets of one header field that SEARCH looks at.
  public var searchFieldLimit = 1 << 20
  /// Messages whose flags are fetched or searched in one go on the event loop; more go in slices.
  public var messagesOnLoop = 8192
  /// LIST and STATUS responses that NOTIFY sends in one go. Beyond: `OK [NOTIFICATIONOVERFLOW]`, and NOTIFY is off.
  public var notifyLines = 2000
  /// Names of an account that NOTIFY compares in one go on the event loop; more are compared elsewhere.
  public var namesOnLoop = 500
  /// New messages of which NOTIFY sends in one go what was asked for. Beyond: the same. Also messages that are remembered
  /// because changes of their flags were kept back. Beyond: all that have changed since are told in the end.
  public var notifyMessages = 10_000
  /// Searches of a session whose results are kept up to date (RFC 5267 §4.3). Beyond: `NO [NOUPDATE]`.
  public var searchContexts = 16
  /// Results of all of them together, 4 octets each, and 8 in another order than that of the mailbox. Beyond: the same.
  public var contextResults = 200_000
  /// Messages that a change makes such a search look at in the store. Beyond: the same, and it ends.
  public var contextMessages = 2000
  /// Octets of the value of a METADATA entry. Beyond: `NO [METADATA MAXSIZE]`.
  public var metadataValue = 64 << 10
  /// METADATA entries of a mailbox, as many of the account, and as many of the server. Beyond: `NO [METADATA TOOMANY]`.
  public var metadataEntries = 200
  /// Octets of all METADATA of an account, which a quota may bound further, and of the server. Beyond: the same.
  public var metadataOctets = 1 << 20
  /// Filters (RFC 5466) that are put in for one SEARCH, those within filters included. Beyond: `NO [LIMIT]`.
  public var filtersPerSearch = 100
  /// Rows of one store visit, so that a read transaction stays short.
  public var messagesPerVisit = 4096

  /// Visits of one FETCH that are under way while what came before is being sent. More than there are threads that read do
  /// no good.
  public static let visitsAhead = 2
  /// The same in the whole process: each may hold `outputChunk`, and a client that stops reading leaves them lying. Beyond,
  /// a FETCH reads when what it has read is sent.
  public static let allVisitsAhead = 64
  /// Of those, so many are in the store at once: whoever wants one message does not wait behind a crowd that reads ahead.
  public static let runningVisitsAhead = 6

  /// COMPRESS=DEFLATE is offered (RFC 4978).
  public var offersCompression = true
  /// UNAUTHENTICATE is offered. RFC 8437 §8: there MUST be a way to switch it off.
  public var offersUnauthenticate = true
  /// Of a command that takes long the client hears every so often (RFC 9585 §4 recommends 10 to 15 seconds).
  public var progressInterval: TimeAmount = .seconds(10)

  /// Octets of a client's ID that go to the log.
  public var clientIDLogged = 512

  /// Seconds since 1970; tests put their own clock here.
  public var now: @Sendable () -> Int64

  public init(now: @escaping @Sendable () -> Int64) { self.now = now }
}

/// Where URLAUTH is offered. RFC 4467 §10: there MUST be a configuration in which URLMECH is never sent without a layer of
/// confidentiality.
public enum URLAuthOffer: String, Sendable, CaseIterable {
  case always
  /// Inside TLS alone.
  case tls
  case never
}

/// What a session gets of internationalized messages that has enabled neither UTF8=ACCEPT nor IMAP4rev2.
public enum HeaderFallback: String, Sendable {
  /// Headers as they are; and as they are they are taken in.
  case asIs = "as-is"
  /// Surrogates (RFC 6858); and APPEND of such headers is refused (RFC 6855 §4).
  case surrogate
}
