import Foundation
import NIOSSL

@testable import MailNet

extension TestCertificates {
  /// A certificate for these names (`DNS:localhost`, `IP:127.0.0.1`), signed by itself; valid for some days from now on,
  /// or expired with `days: -1`.
  func signed(names: [String], days: Int = 2, file: String) throws -> CertificateFiles {
    let files = CertificateFiles(chain: path("\(file).pem"), key: path("\(file).key"))
    try openssl([
      "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test",
      "-addext", "subjectAltName=\(names.joined(separator: ","))", "-keyout", files.key, "-out", path("\(file).csr"),
    ])
    try openssl([
      "x509", "-req", "-in", path("\(file).csr"), "-signkey", files.key, "-days", "\(days)", "-copy_extensions", "copy",
      "-out", files.chain,
    ])
    return files
  }

  /// SHA-256 of the DER form, as openssl computes it.
  func fingerprint(_ files: CertificateFiles) throws -> TransportSecurity.Trust {
    let text = try openssl(["x509", "-in", files.chain, "-noout", "-fingerprint", "-sha256"])
    guard let hex = text.split(separator: "=").last,
      let trust = TransportSecurity.Trust.fingerprint(hexadecimal: hex.filter { !$0.isNewline })
    else { throw Failed() }
    return trust
  }

  func server(_ files: CertificateFiles, _ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> NIOSSLContext
  {
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: try NIOSSLCertificate.fromPEMFile(files.chain).map { .certificate($0) },
      privateKey: .privateKey(try NIOSSLPrivateKey(file: files.key, format: .pem)))
    change(&configuration)
    return try NIOSSLContext(configuration: configuration)
  }

  @discardableResult
  private func openssl(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["openssl"] + arguments
    let output = Pipe()
    process.standardError = FileHandle.nullDevice
    process.standardOutput = output
    try process.run()
    let text = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Failed() }
    return String(decoding: text, as: UTF8.self)
  }
}
