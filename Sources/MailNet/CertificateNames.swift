import SwiftASN1
import X509

/// The names in a client's certificate that TLS has verified against the authorities given.
public final class CertificateNames: Sendable {
  /// rfc822Name entries of subjectAltName (RFC 5280 §4.2.1.6).
  public let addresses: [String]
  /// The subject's common name, where it has exactly one.
  public let commonName: String?

  public init(addresses: [String], commonName: String?) {
    self.addresses = addresses
    self.commonName = commonName
  }

  /// Of a certificate that was verified. Nil: there is nothing in it that could be read.
  convenience init?(der: [UInt8]) {
    guard let certificate = try? Certificate(derEncoded: der) else { return nil }
    var addresses: [String] = []
    if let names = try? certificate.extensions.subjectAlternativeNames {
      for case .rfc822Name(let name) in names where Self.isPlain(name) && addresses.count < NetLimits.certificateNames {
        addresses.append(name)
      }
    }
    let common = certificate.subject.flatMap { $0 }.filter { $0.type == .RDNAttributeType.commonName }
    let name = common.count == 1 ? common.first.flatMap { String($0.value) } : nil
    self.init(addresses: addresses, commonName: name.flatMap { Self.isSuitable($0) ? $0 : nil })
  }

  /// An address of ASCII without blanks and controls: a NUL in it would be read as its end elsewhere.
  private static func isPlain(_ name: String) -> Bool {
    (1...NetLimits.certificateName).contains(name.utf8.count) && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }
  }

  private static func isSuitable(_ name: String) -> Bool {
    (1...NetLimits.certificateName).contains(name.utf8.count) && name.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
  }
}
