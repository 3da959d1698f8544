import IMAPCore

/// A mailbox as the state knows it: its two names, and what the server said when its view was saved last.
struct KnownMailbox: Sendable, Hashable {
  var id: Int64 = 0
  /// As the server spells it.
  var remote: String
  /// Levels of the local folder.
  var local: [String]
  /// Nil: never selected.
  var uidValidity: UInt32?
  var uidNext: UInt32?
  var highestModSeq: UInt64?
  /// PERMANENTFLAGS.
  var permanent = FlagSet.storable
  var acceptsNewKeywords = true
  var permanentKeywords: Set<KeywordName> = []
  /// The server let nothing be changed there when it was selected for writing last.
  var isReadOnly = false
  /// As both sides agreed last; nil: never.
  var isSubscribed: Bool?

  init(remote: String, local: [String]) {
    self.remote = remote
    self.local = local
  }

  /// Keywords among these that the server will not keep.
  func refused(_ keywords: Set<KeywordName>) -> Set<KeywordName> {
    acceptsNewKeywords ? [] : keywords.subtracting(permanentKeywords)
  }
}
