/// The name of a METADATA entry (RFC 5464 §3.2).
public enum MetadataEntry: Hashable, Sendable {
  /// In lower case, as it is kept: names compare without case.
  case good(String)
  case malformed
  /// Below `vendor` with less than four components.
  case shortVendor

  /// `least`: components it must have, two for one that has a value. `longest`: octets.
  public init(_ name: String, least: Int = 2, longest: Int = IMAPLimits().metadataEntry) {
    // Before it is lowered: the Kelvin sign becomes a `k` by that.
    let isClean = name.utf8.allSatisfy {
      $0 >= 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "*") && $0 != UInt8(ascii: "%")
    }
    let entry = name.lowercased()
    let parts = entry.split(separator: "/", omittingEmptySubsequences: false)
    guard isClean, name.utf8.count <= longest, parts.count > least, parts[0].isEmpty,
      !parts.dropFirst().contains(where: \.isEmpty), parts[1] == "private" || parts[1] == "shared"
    else {
      self = .malformed
      return
    }
    self = least > 1 && parts[2] == "vendor" && parts.count < 5 ? .shortVendor : .good(entry)
  }
}
