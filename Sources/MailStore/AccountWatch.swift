/// A session that wants to hear of all mailboxes of an account, whoever changes them.
///
/// The feed keeps no history: it remembers which mailboxes were touched since the watcher last looked, a bounded number of
/// them, and shows how they stand now. Beyond that number it shows the whole account. So a watcher that is slow costs
/// nothing, and misses at most what was undone again meanwhile.
public protocol AccountWatch: AnyObject, Sendable {
  var id: WatchID { get }
  /// What was touched since the last call, as it stands now.
  func news() -> AccountNews
  /// Ends `onChange`. Must be called once.
  func close()
}

public struct AccountNews: Sendable {
  /// The account as a whole: names, subscriptions or the set of mailboxes have changed, or too many mailboxes have. Nil:
  /// they have not, or the account is gone.
  public var listing: MailboxListing?
  /// Mailboxes of others in which the account has a right; beside a listing, which is there too when one of them, or a right,
  /// was touched. Counters are as this account sees them.
  public var shared: [SharedMailbox]
  /// Mailboxes whose messages have changed; empty beside a listing.
  public var changed: [MailboxInfo]
  /// What was annotated, and the mailboxes' names.
  public var annotated: [AnnotationName]
  public var annotatedMailboxes: [MailboxID: String]
  /// Mailboxes of others in which something was annotated.
  public var annotatedElsewhere: [MailboxRef: SharedMailbox] = [:]
  /// More was annotated than is remembered.
  public var missesAnnotations: Bool

  public init(
    listing: MailboxListing? = nil, shared: [SharedMailbox] = [], changed: [MailboxInfo] = [],
    annotated: [AnnotationName] = [], annotatedMailboxes: [MailboxID: String] = [:], missesAnnotations: Bool = false
  ) {
    self.listing = listing
    self.shared = shared
    self.changed = changed
    self.annotated = annotated
    self.annotatedMailboxes = annotatedMailboxes
    self.missesAnnotations = missesAnnotations
  }

  /// Takes what is annotated out of all mailboxes of others.
  public mutating func noteElsewhere(_ shared: [SharedMailbox]) {
    let annotated = Set(
      annotated.compactMap { name in
        guard let owner = name.owner, let mailbox = name.mailbox else { return nil }
        return MailboxRef(account: owner, mailbox: mailbox)
      } as [MailboxRef])
    for mailbox in shared where annotated.contains(mailbox.ref) { annotatedElsewhere[mailbox.ref] = mailbox }
  }

  public var isEmpty: Bool { listing == nil && changed.isEmpty && annotated.isEmpty && !missesAnnotations }
}

/// What an engine notes for one watcher. Not safe by itself: it stands under the engine's lock.
public struct AccountNotes: Sendable {
  private var mailboxes: Set<MailboxID> = []
  private var isReshaped = false
  private var isShared = false
  private var annotated: Set<AnnotationName> = []
  private var missesAnnotations = false
  /// The watcher was told, and has not looked since.
  private var isTold = false

  public init() {}

  /// True: the watcher is to be told.
  public mutating func note(_ touched: some Sequence<MailboxID>, isReshaped reshaped: Bool) -> Bool {
    if reshaped { isReshaped = true }
    if !isReshaped {
      mailboxes.formUnion(touched)
      if mailboxes.count > WatchLimits.mailboxes { isReshaped = true }
    }
    if isReshaped { mailboxes = [] }
    guard isReshaped || !mailboxes.isEmpty, !isTold else { return false }
    isTold = true
    return true
  }

  /// A mailbox of somebody else was touched, or a right in one. True: the watcher is to be told.
  public mutating func noteShared() -> Bool {
    isShared = true
    guard !isTold else { return false }
    isTold = true
    return true
  }

  /// True: the watcher is to be told.
  public mutating func note(annotated names: [AnnotationName]) -> Bool {
    annotated.formUnion(names)
    if annotated.count > WatchLimits.annotations {
      annotated = []
      missesAnnotations = true
    }
    guard !isTold, !names.isEmpty else { return false }
    isTold = true
    return true
  }

  /// What there is to look at; it counts as seen from now on.
  public mutating func take() -> Taken {
    defer { self = AccountNotes() }
    return Taken(
      mailboxes: mailboxes, isReshaped: isReshaped || isShared, annotated: Array(annotated),
      missesAnnotations: missesAnnotations)
  }

  public struct Taken: Sendable {
    public var mailboxes: Set<MailboxID>
    public var isReshaped: Bool
    public var annotated: [AnnotationName]
    public var missesAnnotations: Bool
  }
}
