// The one file of this room that needs all of Foundation: Unicode's NFKC is in neither the standard library nor
// FoundationEssentials. ASCII, which is nearly all there is, never gets that far.
import Foundation

/// SASLprep (RFC 4013), the stringprep profile for user names and passwords.
///
/// Unassigned code points are let through, as for a "query" string (RFC 3454 §7), for stored strings too: those of
/// Unicode 3.2 would shut out every emoji, and what a client may send must be settable.
public enum SASLprep {
  /// Prepares UTF-8 bytes. Nil when they are not UTF-8, hold a forbidden character or mix writing directions. The
  /// result may be empty.
  public static func prepare(_ bytes: [UInt8]) -> [UInt8]? {
    if bytes.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return bytes }
    guard let text = String(validating: bytes, as: UTF8.self) else { return nil }  // RFC 6856 §2.2
    return prepare(text).map { Array($0.utf8) }
  }

  /// Prepares a string.
  public static func prepare(_ text: String) -> String? {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    // RFC 4013 §2.1. U+200B stands in both tables; as a space it is the likelier intention.
    var mapped = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      if StringprepTables.contains(StringprepTables.nonASCIISpace, scalar.value) {
        mapped.append(" ")
      } else if !StringprepTables.contains(StringprepTables.mappedToNothing, scalar.value) {
        mapped.append(scalar)
      }
    }
    // RFC 4013 §2.2
    let normalized = String(mapped).precomposedStringWithCompatibilityMapping
    // RFC 4013 §2.3
    for scalar in normalized.unicodeScalars
    where StringprepTables.contains(StringprepTables.prohibited, scalar.value) {
      return nil
    }
    return isOneDirection(normalized) ? normalized : nil
  }

  /// A user name of an exchange: prepared, not empty, not overlong, no control characters.
  public static func name(_ bytes: [UInt8]) -> String? {
    guard bytes.count <= SASLLimits.name, let prepared = prepare(bytes), !prepared.isEmpty,
      prepared.count <= SASLLimits.name
    else { return nil }
    return String(validating: prepared, as: UTF8.self)
  }

  /// RFC 3454 §6: a string with a character of a right-to-left script has none of a left-to-right one, and begins and
  /// ends with one of its own.
  private static func isOneDirection(_ text: String) -> Bool {
    let scalars = text.unicodeScalars
    func isRight(_ scalar: Unicode.Scalar) -> Bool {
      StringprepTables.contains(StringprepTables.rightToLeft, scalar.value)
    }
    guard scalars.contains(where: isRight) else { return true }
    guard let first = scalars.first, let last = scalars.last, isRight(first), isRight(last) else { return false }
    return !scalars.contains { StringprepTables.contains(StringprepTables.leftToRight, $0.value) }
  }
}
