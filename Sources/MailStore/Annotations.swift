public import NIOCore
import Synchronization

/// A note beside a mailbox or an account (RFC 5464).
public struct Annotation: Sendable, Hashable {
  /// In lower case: `/private/comment`.
  public var entry: String
  public var value: ByteBuffer
  public init(_ entry: String, _ value: ByteBuffer) {
    self.entry = entry
    self.value = value
  }

  /// What it counts for in `AnnotationLimits` and quotas.
  public var octets: Int { entry.utf8.count + value.readableBytes }
}

/// An annotation to be set, or with no value to be removed.
public struct AnnotationChange: Sendable, Hashable {
  /// In lower case.
  public var entry: String
  public var value: ByteBuffer?
  public init(_ entry: String, _ value: ByteBuffer?) {
    self.entry = entry
    self.value = value
  }
  /// Everybody has his own (RFC 5464 §3.3).
  public var isPrivate: Bool { entry.hasPrefix("/private/") }
}

/// Bounds that a change must not cross; what only takes away is never refused.
public struct AnnotationLimits: Sendable, Hashable {
  /// Of the mailbox, or of the account itself.
  public var entries: Int
  /// Of all entries of the account and their values together.
  public var octets: Int
  public init(entries: Int, octets: Int) {
    self.entries = entries
    self.octets = octets
  }
}

extension [Annotation] {
  /// How entries that count together are after a change, in their order. Nil: there would be more than `limits` allow.
  public func applying(_ changes: [AnnotationChange], _ limits: AnnotationLimits) -> [Annotation]? {
    var entries = Dictionary(map { ($0.entry, $0.value) }) { first, _ in first }
    for change in changes { entries[change.entry] = change.value }
    let after = entries.map { Annotation($0.key, $0.value) }.sorted {
      $0.entry.utf8.lexicographicallyPrecedes($1.entry.utf8)
    }
    func octets(_ annotations: [Annotation]) -> Int { annotations.reduce(0) { $0 + $1.octets } }
    guard after.count <= Swift.max(limits.entries, count), octets(after) <= Swift.max(limits.octets, octets(self))
    else { return nil }
    return after
  }
}

/// Which annotation of an account it is, or of somebody else's mailbox.
public struct AnnotationName: Sendable, Hashable {
  /// Whose mailbox it is; nil: the account's own.
  public var owner: AccountID?
  /// Nil: the account itself.
  public var mailbox: MailboxID?
  public var entry: String
  public init(_ mailbox: MailboxID?, _ entry: String, of owner: AccountID? = nil) {
    self.owner = owner
    self.mailbox = mailbox
    self.entry = entry
  }
}

/// What one change has annotated, and who hears of it.
public struct AnnotatedPlace: Sendable {
  /// Nil: the server itself, of which all accounts hear.
  public var account: AccountID?
  /// Nil: the account itself.
  public var mailbox: MailboxID?
  public var entries: [String]
  /// Whose private entries in another's mailbox they are; nil: the account's own, and what all see.
  public var viewer: AccountID?
  /// Watches of whoever has changed them.
  public var authors: [WatchID]

  public init(
    _ mailbox: MailboxID?, of account: AccountID, _ changes: [AnnotationChange], of viewer: AccountID? = nil,
    by authors: [WatchID]
  ) {
    (self.account, self.mailbox, self.viewer, self.authors) = (account, mailbox, viewer, authors)
    entries = changes.map(\.entry)
  }

  /// Of the server itself, which has no author among the watches.
  public init(server changes: [AnnotationChange]) {
    authors = []
    entries = changes.map(\.entry)
  }

  /// What a watch of `watcher` is to be told of it. `rights`: those that the watcher, not being the owner, has in the
  /// mailbox.
  public func names(for watcher: AccountID, _ watch: WatchID, rights: (MailboxRef) -> MailboxRights) -> [AnnotationName]
  {
    guard !authors.contains(watch) else { return [] }
    // A watch has one name for the account and for the server: below `/shared` it is the server's.
    guard let account else { return entries.map { AnnotationName(nil, $0) } }
    guard watcher != account else {
      return viewer == nil ? entries.map { AnnotationName(mailbox, $0) } : []
    }
    guard let mailbox, viewer == nil || viewer == watcher else { return [] }
    let seen = viewer == nil ? entries.filter { $0.hasPrefix("/shared/") } : entries
    guard !seen.isEmpty, rights(MailboxRef(account: account, mailbox: mailbox)).showsAnnotations else { return [] }
    return seen.map { AnnotationName(mailbox, $0, of: account) }
  }
}

/// Tells watches apart, so that whoever changes an annotation is not told of it.
public struct WatchID: Sendable, Hashable {
  private let number: Int
  private static let last = Atomic(0)
  public init() { number = Self.last.wrappingAdd(1, ordering: .relaxed).newValue }
}
