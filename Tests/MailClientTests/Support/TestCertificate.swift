import Foundation
import NIOSSL

/// A certificate for 127.0.0.1 that signs itself, in a folder of its own, made by `openssl`.
final class TestCertificate {
  private let folder: URL
  var file: String { folder.appendingPathComponent("chain.pem").path }

  struct Failed: Error {}

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("mailclient-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
      "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1",
      "-keyout", folder.appendingPathComponent("key.pem").path, "-out", file,
    ]
    process.standardError = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed() }
  }

  deinit { try? FileManager.default.removeItem(at: folder) }

  func server() throws -> NIOSSLContext {
    try NIOSSLContext(
      configuration: .makeServerConfiguration(
        certificateChain: try NIOSSLCertificate.fromPEMFile(file).map { .certificate($0) },
        privateKey: .privateKey(
          try NIOSSLPrivateKey(file: folder.appendingPathComponent("key.pem").path, format: .pem))))
  }
}
