import Logging
import NIOCore
import NIOPosix
import NIOSSL
import NIOTLS

extension Connection {
  /// Puts TLS in front. The client's first message names the host it wants, and with it the certificate.
  func beginTLS() {
    flags.remove(.tlsRequested)
    guard let tls = core.tls, let context, flags.isDisjoint(with: [.closing, .outputEnded, .inactive]) else { return }
    // RFC 9051 §11.1: nothing sent before the handshake may be taken for what comes after it.
    guard inbound.readableBytes == 0 else {
      core.logger.warning(
        "closed: commands in the clear behind STARTTLS",
        metadata: ["listener": "\(listenerName)", "peer": "\(peer)", "conn": "\(id)"])
      out.clear()
      fail(.error("commands in the clear behind STARTTLS"))
      return
    }
    flush()
    flags.insert(.handshaking)
    timer.handshake = .now() + core.settings.handshakeTimeout
    rearm()
    let names = ByteToMessageHandler(
      SNIHandler { result in
        self.serverNameKnown(result, tls)
        return self.eventLoop.makeSucceededVoidFuture()
      })
    do {
      try context.pipeline.syncOperations.addHandler(names, position: .first)
    } catch {
      fail(.error("TLS: \(error)"))
    }
  }

  private func serverNameKnown(_ result: SNIResult, _ tls: TLSContexts) {
    guard let context, !flags.contains(.inactive) else { return }
    if case .hostname(let name) = result { serverName = Self.sanitised(name) }
    do {
      var configuration = NIOSSLHandler.Configuration()
      configuration.maximumPreservedOutboundBufferCapacity = NetLimits.largestRead
      let handler = NIOSSLServerHandler(context: tls.context(for: serverName), configuration: configuration)
      try context.pipeline.syncOperations.addHandler(handler, position: .before(context.handler))
    } catch {
      fail(.error("TLS: \(error)"))
    }
  }

  /// What goes into logs comes from the client.
  private static func sanitised(_ name: String) -> String? {
    guard name.utf8.count <= 255, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
    return name.lowercased()
  }

  func handshakeCompleted() {
    guard flags.contains(.handshaking) else { return }
    resources.prompt.seen(id)
    flags.remove(.handshaking)
    flags.insert(.tls)
    timer.handshake = nil
    switch try? context?.pipeline.syncOperations.nioSSL_tlsVersion() {
    case .tlsv13: tlsVersion = "TLSv1.3"
    case .tlsv12: tlsVersion = "TLSv1.2"
    default: tlsVersion = "TLS"
    }
    if core.tls?.asksForCertificates == true,
      let certificate = try? context?.pipeline.syncOperations.nioSSL_peerCertificate()
    {
      // The handshake would have failed with one that is not in order.
      certificateNames = (try? certificate.toDERBytes()).flatMap { CertificateNames(der: $0) }
    }
    if flags.contains(.opened) {
      turn { $0.tlsStarted() }
      flush()
    } else {
      open()
    }
  }

  enum Severity { case ignored, peerGone, failure(String) }

  static func severity(of error: any Error) -> Severity {
    switch error {
    case NIOSSLError.uncleanShutdown:
      // FIN without close_notify, as most clients do; half-closure or the end of the channel says the rest.
      return .ignored
    case is NIOSSLCloseTimedOutError:
      return .ignored
    case let error as IOError where error.isPeerGone:
      return .peerGone
    case let error as NIOSSLError:
      return .failure("TLS: \(error)")
    default:
      return .failure("\(error)")
    }
  }
}
