import IMAPCore
public import MailStore
public import NIOCore

/// Entries of the server below `/shared`, which the administrator sets and every account reads (RFC 5464 §3.2.1.1,
/// RFC 5466 §3.2).
public enum ServerEntry {
  /// Why an entry cannot be set.
  public enum Refusal: Error, Hashable {
    case malformedName
    /// Below `/private`, where every account has its own.
    case privateName
    /// Below `vendor` with less than four components.
    case shortVendorName
    case longValue
    case notText
    case notURI
    case notFilterName(String)
    /// With the reason.
    case notSearch(String)
  }

  /// As every server has them.
  private static let settings = IMAPServerSettings(now: { 0 })
  /// Octets.
  public static let longestName = settings.wire.metadataEntry
  public static let longestValue = settings.metadataValue
  /// Of the server's entries, as of an account's.
  public static let limits = AnnotationLimits(entries: settings.metadataEntries, octets: settings.metadataOctets)
  private static let admin = "/shared/admin"

  /// The name as it is kept.
  public static func name(_ text: String) throws(Refusal) -> String {
    switch MetadataEntry(text) {
    case .good(let entry):
      guard entry.hasPrefix("/shared/") else { throw .privateName }
      return entry
    case .shortVendor: throw .shortVendorName
    case .malformed: throw .malformedName
    }
  }

  /// `entry` as `name` gives it.
  public static func check(_ entry: String, _ value: ByteBuffer) throws(Refusal) {
    guard value.readableBytes <= longestValue else { throw .longValue }
    guard entry == admin || entry == "/shared/comment" || entry.hasPrefix("/shared/filters/") else { return }
    // RFC 5464 §6.2, RFC 5466 §3.2
    guard let text = String(validating: value.readableBytesView, as: UTF8.self), !text.utf8.contains(0) else {
      throw .notText
    }
    // RFC 5464 §3.2.1.1
    if entry == admin, !isURI(text) { throw .notURI }
    guard entry.hasPrefix(FilterEntry.publicRoot) else { return }
    let name = entry.dropFirst(FilterEntry.publicRoot.count)
    guard SearchKey.isFilterName(name) else { throw .notFilterName(String(name)) }
    do { _ = try SearchKey(parsing: value, limits: settings.wire) } catch { throw .notSearch(error.reason.english) }
  }

  /// A scheme, a colon, and something behind it in the characters of RFC 3986 §2.
  private static func isURI(_ text: String) -> Bool {
    let (scheme, rest) = (text.prefix { $0 != ":" }, text.drop { $0 != ":" }.dropFirst())
    guard let first = scheme.first, first.isASCII, first.isLetter, !rest.isEmpty else { return false }
    return scheme.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-.".contains($0)) }
      && rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"\"<>\\^`{|}".utf8.contains($0) }
  }
}
