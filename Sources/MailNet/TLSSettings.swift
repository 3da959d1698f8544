/// A certificate chain and its key, both PEM. Equal paths are one file with both.
public struct CertificateFiles: Sendable, Hashable {
  public var chain: String
  public var key: String
  public init(chain: String, key: String) {
    self.chain = chain
    self.key = key
  }
}

/// Certificates for the host names clients ask for (SNI).
public struct HostCertificate: Sendable, Hashable {
  /// `mail.example.org`, or `*.example.org` for exactly one label in place of the star. ASCII case doesn't count.
  public var names: [String]
  public var files: CertificateFiles
  public init(names: [String], files: CertificateFiles) {
    self.names = names
    self.files = files
  }
}

public enum MinimumTLS: String, Sendable, Hashable {
  case tls12 = "1.2"
  case tls13 = "1.3"
}

public struct TLSSettings: Sendable, Hashable {
  /// For clients that name no host, or one that isn't listed.
  public var certificate: CertificateFiles
  public var hosts: [HostCertificate]
  public var minimum: MinimumTLS
  /// PEM file of authorities whose certificates clients may show to log in by (EXTERNAL); nil: none are asked for.
  public var clientAuthorities: String?
  public init(
    certificate: CertificateFiles, hosts: [HostCertificate] = [], minimum: MinimumTLS, clientAuthorities: String? = nil
  ) {
    self.clientAuthorities = clientAuthorities
    self.certificate = certificate
    self.hosts = hosts
    self.minimum = minimum
  }
}

/// A certificate or key that can't be used. Names the file; never shows what is in it.
public struct TLSFileError: Error, Sendable, CustomStringConvertible {
  public var file: String
  public var problem: String
  public var description: String { "\(file): \(problem)" }
}
