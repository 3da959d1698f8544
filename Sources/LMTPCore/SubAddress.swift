/// Sub-addressing (RFC 5233 §4): `user+folder`.
public enum SubAddress {
  /// Parts a local part at the first of the `separators` (ASCII; an empty string turns sub-addressing off). The detail
  /// is nil when there is no separator, when nothing follows it, and when nothing stands before it. The local part of
  /// an `LMTPPath` has its quotes and backslashes off already, so the detail is the name as meant.
  public static func split(_ localPart: String, separators: String = "+") -> (user: String, detail: String?) {
    let bytes = localPart.utf8
    guard let index = bytes.firstIndex(where: { $0 < 0x80 && separators.utf8.contains($0) }),
      index > bytes.startIndex
    else { return (localPart, nil) }
    let detail = String(localPart[bytes.index(after: index)...])
    return (String(localPart[..<index]), detail.isEmpty ? nil : detail)
  }
}
