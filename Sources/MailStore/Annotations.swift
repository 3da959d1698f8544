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

/// Which annotation of an account it is.
public struct AnnotationName: Sendable, Hashable {
  /// Nil: the account itself.
  public var mailbox: MailboxID?
  public var entry: String
  public init(_ mailbox: MailboxID?, _ entry: String) {
    self.mailbox = mailbox
    self.entry = entry
  }
}

/// Tells watches apart, so that whoever changes an annotation is not told of it.
public struct WatchID: Sendable, Hashable {
  private let number: Int
  private static let last = Atomic(0)
  public init() { number = Self.last.wrappingAdd(1, ordering: .relaxed).newValue }
}
