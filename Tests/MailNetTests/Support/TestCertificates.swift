import Foundation

@testable import MailNet

/// Self-signed certificates in a folder of their own, made by `openssl`.
final class TestCertificates {
  let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailnet-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  /// Writes `<file>.pem` and `<file>.key`, in one step each as certbot does.
  @discardableResult
  func make(_ commonName: String, file: String) throws -> CertificateFiles {
    let files = CertificateFiles(chain: path("\(file).pem"), key: path("\(file).key"))
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=\(commonName)", "-keyout", files.key, "-out", files.chain,
    ]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed() }
    return files
  }

  func contexts(_ hosts: [HostCertificate] = [], default name: String = "default.test") throws -> TLSContexts {
    let files = try make(name, file: "default")
    return try TLSContexts(TLSSettings(certificate: files, hosts: hosts, minimum: .tls12), logger: .silent)
  }

  struct Failed: Error {}
}
