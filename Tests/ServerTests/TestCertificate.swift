import Foundation
import MailNet

/// A certificate for mail.example.id that signs itself. It protects nothing: it is here so that tests can speak TLS.
enum TestCertificate {
  /// Written to a folder of its own once for each process.
  static let files: CertificateFiles? = {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("merpati-test-\(UUID())")
    let chain = folder.appendingPathComponent("chain.pem")
    let key = folder.appendingPathComponent("key.pem")
    do {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      try chainPEM.write(to: chain, atomically: true, encoding: .utf8)
      try keyPEM.write(to: key, atomically: true, encoding: .utf8)
    } catch {
      return nil
    }
    return CertificateFiles(chain: chain.path, key: key.path)
  }()

  private static let chainPEM = """
    -----BEGIN CERTIFICATE-----
    MIIBsjCCAVigAwIBAgIUdZkIGt9cRj0eu+xOMdLQyHDchdAwCgYIKoZIzj0EAwIw
    GjEYMBYGA1UEAwwPbWFpbC5leGFtcGxlLmlkMCAXDTI2MTEyMzE1NDkwMloYDzIx
    MjYxMDMwMTU0OTAyWjAaMRgwFgYDVQQDDA9tYWlsLmV4YW1wbGUuaWQwWTATBgcq
    hkjOPQIBBggqhkjOPQMBBwNCAAS9/smHuJ/DFFc96xkF2CPkF1+EpWSk50cOk/y9
    nstE72wEUugW9Qo+XkJ1jPEDS4qksy4lPyDVrLNYhgc1Qv+zo3oweDAdBgNVHQ4E
    FgQUd96DORMDaW7bKMleHznHitU9GEMwHwYDVR0jBBgwFoAUd96DORMDaW7bKMle
    HznHitU9GEMwDwYDVR0TAQH/BAUwAwEB/zAlBgNVHREEHjAcgg9tYWlsLmV4YW1w
    bGUuaWSCCWxvY2FsaG9zdDAKBggqhkjOPQQDAgNIADBFAiAObFRSNmdoO2GEq8LA
    gc7iyTRFlnBiVHWIDky0SbUn1QIhAP7duBHs5e9i3XccqUk1iRd+tC0hILbEZtwQ
    o26miNjL
    -----END CERTIFICATE-----

    """

  private static let keyPEM = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgO6LIGzvqiSCvRZdM
    UAMkNThKXiu6M6LbaFeY1+qyJHuhRANCAAS9/smHuJ/DFFc96xkF2CPkF1+EpWSk
    50cOk/y9nstE72wEUugW9Qo+XkJ1jPEDS4qksy4lPyDVrLNYhgc1Qv+z
    -----END PRIVATE KEY-----

    """
}
