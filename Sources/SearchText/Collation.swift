import Bytes
import MailFormat

/// How texts are compared (RFC 4790). Each knows equality, parts and order, as RFC 5255 §4.4 asks of all that a server offers.
public enum Collation: UInt8, Sendable, Hashable, CaseIterable {
  /// i;unicode-casemap (RFC 5051): neither letter case nor the way in which a character is composed counts.
  case unicodeCasemap
  /// i;ascii-casemap (RFC 4790 §9.2): the case of ASCII letters does not count.
  case asciiCasemap

  /// In the registry of RFC 4790.
  public var name: String {
    switch self {
    case .unicodeCasemap: "i;unicode-casemap"
    case .asciiCasemap: "i;ascii-casemap"
    }
  }

  /// Appends what orders a text: octets that compare one by one (RFC 4790 §2.4). Equal texts have equal keys.
  public func appendKey(_ text: RawSpan, to output: inout [UInt8]) {
    switch self {
    case .unicodeCasemap: UnicodeCasemap.append(text, to: &output)
    // RFC 4790 §9.2.1
    case .asciiCasemap: text.withUnsafeBytes { output.append(contentsOf: $0.lazy.map(\.asciiUppercased)) }
    }
  }
}
