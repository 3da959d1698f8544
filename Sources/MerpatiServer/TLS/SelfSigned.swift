import Crypto
import Foundation
import SwiftASN1
import X509

/// The certificate of a first run: self-signed, so that TLS works before the administrator has a real one.
public enum SelfSigned {
  /// Writes `certificate` and `key` (mode 0600) unless both exist.
  ///
  /// - Returns: true when new files were made.
  public static func ensure(certificate: String, key: String, hostname: String) throws -> Bool {
    let files = FileManager.default
    if files.fileExists(atPath: certificate), files.fileExists(atPath: key) { return false }
    let privateKey = P256.Signing.PrivateKey()
    let name = try DistinguishedName { CommonName(hostname) }
    var names: [GeneralName] = [.dnsName(hostname)]
    if hostname != "localhost" { names.append(.dnsName("localhost")) }
    names.append(.ipAddress(ASN1OctetString(contentBytes: [127, 0, 0, 1])))
    names.append(.ipAddress(ASN1OctetString(contentBytes: ArraySlice([UInt8](repeating: 0, count: 15) + [1]))))
    let now = Date()
    let certificateValue = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: .init(privateKey.publicKey),
      notValidBefore: now.addingTimeInterval(-86_400), notValidAfter: now.addingTimeInterval(10 * 365 * 86_400),
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
        Critical(KeyUsage(digitalSignature: true, keyCertSign: true))
        try ExtendedKeyUsage([.serverAuth])
        SubjectAlternativeNames(names)
      },
      issuerPrivateKey: .init(privateKey))
    var serializer = DER.Serializer()
    try certificateValue.serialize(into: &serializer)
    let pem = PEMDocument(type: "CERTIFICATE", derBytes: serializer.serializedBytes).pemString
    // Key first: a certificate without its key would look complete to the next start.
    try write(privateKey.pemRepresentation + "\n", to: key, mode: 0o600)
    try write(pem + "\n", to: certificate, mode: 0o644)
    return true
  }

  private static func write(_ text: String, to path: String, mode: mode_t) throws {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw ConfigError("\(path): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count, fsync(descriptor) == 0 else {
      throw ConfigError("\(path): \(String(cString: strerror(errno)))")
    }
  }
}
