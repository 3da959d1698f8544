public import Logging
import NIOCore
import NIOSSL
import Synchronization

/// The TLS contexts of a server: one for each certificate, shared by all connections, chosen by host name.
public final class TLSContexts: Sendable {
  private struct Entry {
    let files: CertificateFiles
    /// Of the files that `context` came from, or of those that could not be used.
    var stamps: [FileStamp?]
    var context: NIOSSLContext
  }

  private struct State {
    /// The first is for everybody else.
    var entries: [Entry]
    let exact: [String: Int]
    /// By what follows the `*.`.
    let wildcard: [String: Int]
  }

  private let minimum: MinimumTLS
  private let authorities: String?
  private let logger: Logger
  private let state: Mutex<State>

  /// Reads all files: blocks, so not for an event loop.
  public init(_ settings: TLSSettings, logger: Logger) throws(TLSFileError) {
    minimum = settings.minimum
    authorities = settings.clientAuthorities
    self.logger = logger
    var entries: [Entry] = []
    var exact: [String: Int] = [:]
    var wildcard: [String: Int] = [:]
    for files in [settings.certificate] + settings.hosts.map(\.files) {
      let stamps = Self.stamps(files, authorities)
      entries.append(Entry(files: files, stamps: stamps, context: try Self.load(files, minimum, authorities)))
    }
    for (index, host) in settings.hosts.enumerated() {
      for name in host.names {
        let name = name.lowercased()
        if name.hasPrefix("*.") {
          wildcard[String(name.dropFirst(2))] = index + 1
        } else {
          exact[name] = index + 1
        }
      }
    }
    state = Mutex(State(entries: entries, exact: exact, wildcard: wildcard))
  }

  /// `name` in lower case. An exact name goes before a wildcard, which stands for one label (RFC 9525 §6.3).
  func context(for name: String?) -> NIOSSLContext {
    state.withLock { state in
      guard let name else { return state.entries[0].context }
      var index = state.exact[name]
      if index == nil, let dot = name.firstIndex(of: "."), dot != name.startIndex {
        index = state.wildcard[String(name[name.index(after: dot)...])]
      }
      return state.entries[index ?? 0].context
    }
  }

  /// Loads what has changed on disk since the last look. What can't be used is logged once and leaves the certificate in
  /// service as it was. Blocks. Returns how many certificates were replaced.
  @discardableResult
  public func reloadIfChanged() -> Int {
    let entries = state.withLock { $0.entries }
    var replaced = 0
    for (index, entry) in entries.enumerated() {
      let stamps = Self.stamps(entry.files, authorities)
      guard stamps != entry.stamps else { continue }
      do throws(TLSFileError) {
        let context = try Self.load(entry.files, minimum, authorities)
        state.withLock {
          $0.entries[index].stamps = stamps
          $0.entries[index].context = context
        }
        replaced += 1
        logger.info("certificate reloaded", metadata: ["file": "\(entry.files.chain)"])
      } catch {
        state.withLock { $0.entries[index].stamps = stamps }
        logger.error(
          "certificate not reloaded, the old one stays in service",
          metadata: ["file": "\(error.file)", "problem": "\(error.problem)"])
      }
    }
    return replaced
  }

  /// Looks at the files again and again, until its task is cancelled.
  public func watch(every interval: Duration = .seconds(30)) async {
    while !Task.isCancelled {
      do { try await Task.sleep(for: interval) } catch { return }
      reloadIfChanged()
    }
  }

  private static func stamps(_ files: CertificateFiles, _ authorities: String?) -> [FileStamp?] {
    [files.chain, files.key, authorities].map { $0.flatMap { FileStamp(of: $0) } }
  }

  /// For TLS 1.2; those of 1.3 are all good. Forward secrecy and authenticated encryption, as every client of the last ten
  /// years has them (RFC 9325 §4.2); a key that is stolen later opens nothing that was recorded before.
  private static let suites: [NIOTLSCipher] = [
    .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
  ]

  /// Clients are asked for certificates.
  var asksForCertificates: Bool { authorities != nil }

  private static func load(
    _ files: CertificateFiles, _ minimum: MinimumTLS, _ authorities: String?
  ) throws(TLSFileError) -> NIOSSLContext {
    let chain: [NIOSSLCertificate]
    do {
      chain = try NIOSSLCertificate.fromPEMFile(files.chain)
    } catch {
      throw TLSFileError(file: files.chain, problem: "no readable PEM certificate")
    }
    guard !chain.isEmpty else { throw TLSFileError(file: files.chain, problem: "holds no certificate") }
    let key: NIOSSLPrivateKey
    do {
      key = try NIOSSLPrivateKey(file: files.key, format: .pem)
    } catch {
      throw TLSFileError(file: files.key, problem: "no readable PEM private key without a passphrase")
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
    configuration.minimumTLSVersion =
      switch minimum {
      case .tls12: .tlsv12
      case .tls13: .tlsv13
      }
    configuration.cipherSuiteValues = suites
    configuration.shutdownTimeout = NetLimits.closeLinger
    if let authorities {
      let roots: [NIOSSLCertificate]
      do { roots = try NIOSSLCertificate.fromPEMFile(authorities) } catch {
        throw TLSFileError(file: authorities, problem: "no readable PEM certificates of authorities")
      }
      guard !roots.isEmpty else { throw TLSFileError(file: authorities, problem: "holds no certificate") }
      configuration.trustRoots = .certificates(roots)
      // Whoever shows none goes on without; whoever shows one that is not in order is sent away.
      configuration.certificateVerification = .optionalVerification
      configuration.sendCANameList = true
    }
    do {
      return try NIOSSLContext(configuration: configuration)
    } catch {
      throw TLSFileError(file: files.key, problem: "is not the key of \(files.chain)")
    }
  }
}
