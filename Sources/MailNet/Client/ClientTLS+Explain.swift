import NIOSSL

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

extension ClientTLS {
  /// A failed handshake in plain words, with what to do about it.
  static func explain(
    _ error: any Error, trust: TransportSecurity.Trust, certificate: NIOSSLCertificate?
  ) -> String {
    let seen = certificate.flatMap { Fingerprint.of($0) }.map { Fingerprint.hex($0) }
    if isChainRefused(error) {
      switch trust {
      case .fingerprint(let wanted):
        return "its certificate is not the pinned one: its fingerprint is \(seen ?? "unknown"), "
          + "wanted was \(Fingerprint.hex(wanted)); if the server has a new certificate and you trust it, pin the new one"
      case .system, .authorities:
        return "\(reason(certificate, trust)); \(advice(seen))"
      }
    }
    if let extra = error as? NIOSSLExtraError {
      if extra == .failedToValidateHostname {
        return "its certificate is for another name\(names(certificate)); \(advice(seen))"
      }
      if extra == .serverHostnameImpossibleToMatch {
        return "no certificate can hold this host name; \(advice(seen))"
      }
    }
    switch error {
    case NIOSSLError.handshakeFailed(.sslError(let stack)):
      let text = stack.map(\.description).joined(separator: " ")
      if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
        return "the server does not speak TLS on this port; with imap:// or pop3:// try --starttls"
      }
      if text.contains("PROTOCOL_VERSION") || text.contains("UNSUPPORTED_PROTOCOL") {
        return "the server offers no TLS 1.2 or newer"
      }
      if text.contains("EOF during") { return "the server closed the connection during the handshake" }
      return "the handshake failed: \(words(text))"
    default:
      return "the handshake failed: \(error)"
    }
  }

  private static func isChainRefused(_ error: any Error) -> Bool {
    guard case NIOSSLError.handshakeFailed(.sslError(let stack)) = error else { return false }
    return stack.contains { $0.description.contains("CERTIFICATE_VERIFY_FAILED") }
  }

  /// The library does not tell why a chain is not trusted; the certificate tells what it can.
  private static func reason(_ certificate: NIOSSLCertificate?, _ trust: TransportSecurity.Trust) -> String {
    if let certificate {
      let now = time(nil)
      if certificate.notValidAfter < now {
        return "its certificate expired on \(day(certificate.notValidAfter))"
      }
      if certificate.notValidBefore > now {
        return
          "its certificate is valid only from \(day(certificate.notValidBefore)) on (is this machine's clock right?)"
      }
    }
    return switch trust {
    case .authorities(let file): "its certificate is signed by none of the authorities in \(file)"
    default: "its certificate is signed by no authority that this machine knows (or by itself)"
    }
  }

  private static func advice(_ seen: String?) -> String {
    guard let seen else { return "trust it by its authority: --ca FILE" }
    return "its fingerprint is \(seen); if you trust it: --fingerprint \(seen)"
  }

  /// ` (mail.example.org, example.org)`; what a server says of itself is shown only where it is plain.
  private static func names(_ certificate: NIOSSLCertificate?) -> String {
    guard let certificate else { return "" }
    let names = certificate._subjectAlternativeNames().prefix(8).compactMap { name -> String? in
      guard name.nameType == .dnsName else { return nil }
      let bytes = name.contents.prefix(ClientNetLimits.hostName)
      guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
      return String(decoding: bytes, as: UTF8.self)
    }
    return names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
  }

  /// `YYYY-MM-DD`
  private static func day(_ moment: time_t) -> String {
    var (moment, parts) = (moment, tm())
    guard gmtime_r(&moment, &parts) != nil else { return "another day" }
    func padded(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts.tm_year + 1900)-\(padded(parts.tm_mon + 1))-\(padded(parts.tm_mday))"
  }

  /// BoringSSL's `error:1000007d:SSL routines:OPENSSL_internal:SOME_REASON at file:line` as `some reason`.
  private static func words(_ text: String) -> String {
    guard let reason = text.split(separator: ":").first(where: { $0.contains("_") && !$0.contains("OPENSSL") }) else {
      return text
    }
    return reason.prefix { $0 != " " }.split(separator: "_").joined(separator: " ").lowercased()
  }
}
