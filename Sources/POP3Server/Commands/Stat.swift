import POP3Core

extension POP3Session {
  /// STAT (RFC 1939 §5): messages marked as deleted are not counted.
  func stat(_ command: POP3Command) {
    guard let drop else { return }
    withOutput { POP3Response.dropListing(messages: drop.count, octets: Int64(drop.octets), into: &$0) }
  }
}
