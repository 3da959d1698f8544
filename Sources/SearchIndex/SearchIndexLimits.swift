/// Every bound of the search index. What lies beyond is not indexed, and therefore looked through by every search.
public enum SearchIndexLimits {
  /// Octets of a message that is indexed.
  public static let messageOctets = 1 << 20
  /// Different trigrams of one message's headers, or bodies. Text has a few thousand; more is encoded data.
  public static let trigramsPerMessage = 100_000
  /// Octets of one message's kept values of a field.
  public static let fieldOctets = 4 << 10
  /// Messages that are indexed in one transaction.
  public static let messagesPerSlice = 256
  /// Postings of one slice in memory, four octets each.
  public static let postingsPerSlice = 2 << 20
  /// Messages from which a segment is not merged any more.
  public static let messagesPerSegment = 4096
  /// Segments of a size that are merged into one.
  public static let segmentsPerMerge = 16
  /// Octets of a block of postings, from which another is begun.
  public static let blockOctets = 1000
  /// Trigrams of one needle that are looked up.
  public static let trigramsPerNeedle = 24
}
