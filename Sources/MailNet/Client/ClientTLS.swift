import Crypto
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// What a finished handshake tells.
struct ClientTLSSession: Sendable {
  let version: String
  /// SHA-256 of the server's certificate in DER form.
  let fingerprint: [UInt8]?

  init(version: TLSVersion?, certificate: NIOSSLCertificate?) {
    self.version =
      switch version {
      case .tlsv13: "TLSv1.3"
      case .tlsv12: "TLSv1.2"
      default: "TLS"
      }
    fingerprint = certificate.flatMap { Fingerprint.of($0) }
  }
}

enum Fingerprint {
  static func of(_ certificate: NIOSSLCertificate) -> [UInt8]? {
    (try? certificate.toDERBytes()).map { Array(SHA256.hash(data: $0)) }
  }

  static func hex(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }

  /// Takes as long for a difference in the first octet as for none.
  @inline(never)
  static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices { difference |= left[index] ^ right[index] }
    return difference == 0
  }
}

/// The client's TLS towards one server: whom it trusts, and the name it expects.
struct ClientTLS: Sendable {
  let context: NIOSSLContext
  let trust: TransportSecurity.Trust
  /// For SNI and for the certificate's names; nil for addresses, which stand in certificates but not in SNI (RFC 6066 §3).
  let serverName: String?

  /// Reads the authorities: on a thread of the pool.
  static func make(
    _ trust: TransportSecurity.Trust, address: ClientAddress
  ) async throws(ClientFailure) -> ClientTLS {
    let serverName: String? =
      switch address {
      case .host(let host, _): Self.name(host)
      case .unix: nil
      }
    do {
      let context = try await NIOThreadPool.singleton.runIfActive { try ClientTLSContexts.context(for: trust) }
      return ClientTLS(context: context, trust: trust, serverName: serverName)
    } catch let error as ClientFailure {
      throw error
    } catch is CancellationError {
      throw ClientFailure(.cancelled)
    } catch {
      throw ClientFailure(.tls("\(error)"))
    }
  }

  /// Without the dot of a full name, which SNI has not; nil for an address.
  private static func name(_ host: String) -> String? {
    if host.contains(":") || (try? SocketAddress(ipAddress: host, port: 0)) != nil { return nil }
    return host.hasSuffix(".") ? String(host.dropLast()) : host
  }

  func makeHandler() throws -> NIOSSLClientHandler {
    var configuration = NIOSSLHandler.Configuration()
    configuration.maximumPreservedOutboundBufferCapacity = ClientNetLimits.outgoingPiece
    guard case .fingerprint(let wanted) = trust else {
      return try NIOSSLClientHandler(
        context: context, serverHostname: serverName, customVerificationCallback: nil, configuration: configuration)
    }
    return try NIOSSLClientHandler(
      context: context, serverHostname: serverName,
      customVerificationCallback: { chain, verdict in
        // The pin is all: neither names nor dates nor authorities count beside it.
        let seen = chain.first.flatMap { Fingerprint.of($0) }
        verdict.succeed(seen.map { Fingerprint.equal($0, wanted) } == true ? .certificateVerified : .failed)
      }, configuration: configuration)
  }
}

/// Contexts are kept: the authorities of a machine are some hundred files.
enum ClientTLSContexts {
  private struct Kept {
    let stamp: FileStamp?
    let context: NIOSSLContext
  }

  private static let kept = Mutex<[String: Kept]>([:])

  /// Blocks.
  static func context(for trust: TransportSecurity.Trust) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.minimumTLSVersion = .tlsv12
    configuration.certificateVerification = .fullVerification
    configuration.shutdownTimeout = ClientNetLimits.closeLinger
    switch trust {
    case .system:
      // A program that runs for months takes notice of new authorities.
      let stamp = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"].lazy
        .compactMap { FileStamp(of: $0) }.first
      return try context("", stamp: stamp, configuration)
    case .authorities(let file):
      guard let stamp = FileStamp(of: file) else {
        throw ClientFailure(.tls("there is no readable file of authorities at \(file)"))
      }
      guard stamp.size <= ClientNetLimits.authoritiesFile,
        let authorities = try? NIOSSLCertificate.fromPEMFile(file), !authorities.isEmpty
      else { throw ClientFailure(.tls("\(file) holds no certificates in PEM form")) }
      configuration.trustRoots = .certificates(authorities)
      return try context("file \(file)", stamp: stamp, configuration)
    case .fingerprint(let bytes):
      guard bytes.count == SHA256.byteCount else {
        throw ClientFailure(.tls("a fingerprint is the SHA-256 of the certificate: 64 hexadecimal digits"))
      }
      // The handler's own callback replaces the check of the chain; the name is not looked at.
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates([])
      return try context("fingerprint", stamp: nil, configuration)
    }
  }

  private static func context(
    _ key: String, stamp: FileStamp?, _ configuration: TLSConfiguration
  ) throws -> NIOSSLContext {
    if let old = kept.withLock({ $0[key] }), old.stamp == stamp { return old.context }
    let context = try NIOSSLContext(configuration: configuration)
    kept.withLock { $0[key] = Kept(stamp: stamp, context: context) }
    return context
  }
}
