import BlobStore
import Crypto
import Foundation
import SwiftASN1
import X509

/// The certificate of a first run: self-signed, so that TLS works before the administrator has a real one.
public enum SelfSigned {
  /// Writes `certificate` and `key` (mode 0600), in one folder, unless both exist. Whenever the power goes, the next start
  /// finds a pair that fits or makes a new one.
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
    // Half a pair must not look whole to the next start. A certificate whose key is gone goes first, so that it never
    // stands beside the new key; then the key, and only when that is on the disk, its certificate.
    if files.fileExists(atPath: certificate) {
      try files.removeItem(atPath: certificate)
      try syncFolder(of: certificate)
    }
    // The folder has perhaps been made just now.
    try syncFolder(of: URL(fileURLWithPath: certificate).deletingLastPathComponent().path)
    try place(privateKey.pemRepresentation + "\n", at: key, mode: 0o600)
    try place(pem + "\n", at: certificate, mode: 0o644)
    return true
  }

  /// Under its name a file is whole: written beside, synced, renamed, and the name synced.
  private static func place(_ text: String, at path: String, mode: mode_t) throws {
    let beside = path + ".new"
    try write(text, to: beside, mode: mode)
    guard rename(beside, path) == 0 else { throw ConfigError("\(path): \(String(cString: strerror(errno)))") }
    try syncFolder(of: path)
  }

  private static func syncFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    do throws(BlobError) { try PosixFileSystem().syncDirectory(folder) } catch {
      throw ConfigError("\(folder): \(error)")
    }
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
