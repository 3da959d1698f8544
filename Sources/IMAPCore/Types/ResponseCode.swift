/// What stands in brackets before the text of a status response (RFC 9051 §7.1).
public enum ResponseCode: Hashable, Sendable {
  case alert
  case alreadyExists
  /// `assigned`: UIDs in the order the messages were appended (RFC 4315 §3, RFC 3502).
  case appendUID(validity: UInt32, assigned: [UInt32])
  case authenticationFailed
  case authorizationFailed
  /// Charsets that are understood; may be empty.
  case badCharset([String])
  /// RFC 5255 §4.9.
  case badComparator
  case cannot
  case capability([String])
  case clientBug
  case closed
  /// RFC 4978 §3.
  case compressionActive
  case contactAdmin
  /// `source` and `assigned` stand in pairs, in the order they were copied (RFC 4315 §3).
  case copyUID(validity: UInt32, source: [UInt32], assigned: [UInt32])
  case corruption
  case expired
  case expungeIssued
  case hasChildren
  /// RFC 7162 §3.1.2.1.
  case highestModSeq(UInt64)
  /// RFC 9585 §4. `progress` is less than `goal`; a `goal` stands only with a `progress`.
  case inProgress(tag: String?, progress: UInt32?, goal: UInt32?)
  case inUse
  case limit
  /// RFC 8474 §4.1, §4.2.
  case mailboxID(String)
  /// How many messages one command may touch, and the lowest UID that it did (RFC 9738 §3.1).
  case messageLimit(UInt32, lowest: UInt32? = nil)
  /// UIDs (of UID STORE) or sequence numbers that UNCHANGEDSINCE kept from changing (RFC 7162 §3.1.3).
  case modified([ClosedRange<UInt32>])
  /// RFC 7162 §3.1.2.2.
  case noModSeq
  case nonExistent
  case noPerm
  /// RFC 5465 §5.8: NOTIFY has been switched off.
  case notificationOverflow
  case notSaved
  case overQuota
  case parse
  /// `\*` is printed when `acceptsNewKeywords`.
  case permanentFlags(FlagSet, keywords: [String], acceptsNewKeywords: Bool)
  case privacyRequired
  case readOnly
  case readWrite
  case serverBug
  case tooBig
  case tryCreate
  case uidNext(UInt32)
  case uidNotSticky
  /// RFC 9586 §3.
  case uidRequired
  case uidValidity(UInt32)
  case unavailable
  case unknownCTE
  /// RFC 3501 §7.1: the first message that is not `\Seen`; rev1 only.
  case unseen(UInt32)
  /// RFC 6154 §3.
  case useAttr
  /// Anything else, spelt as it goes on the wire.
  case other(String)
}
