import LMTPCore
import MailNet

/// An extension: what LHLO announces, and by which RFC. The answer to LHLO is printed from these rows.
struct Capability: Sendable {
  var name: String
  var rfc: String
  /// What the session announces; nil when it has nothing to announce under this name.
  var announced: @Sendable (isolated LMTPSession) -> LMTPCapability?

  static let table: [Capability] = [
    // RFC 2033 §5: PIPELINING and ENHANCEDSTATUSCODES MUST be there.
    Capability(name: "PIPELINING", rfc: "RFC 2920") { _ in .pipelining },
    Capability(name: "SIZE", rfc: "RFC 1870") { .size(Int64($0.settings.maxMessageBytes)) },
    Capability(name: "8BITMIME", rfc: "RFC 6152") { _ in .eightBitMIME },
    Capability(name: "SMTPUTF8", rfc: "RFC 6531") { _ in .smtpUTF8 },
    Capability(name: "CHUNKING", rfc: "RFC 3030") { _ in .chunking },
    Capability(name: "BINARYMIME", rfc: "RFC 3030 §3") { _ in .binaryMIME },
    Capability(name: "ENHANCEDSTATUSCODES", rfc: "RFC 2034") { _ in .enhancedStatusCodes },
    // RFC 3207 §4.2: not after TLS has begun.
    Capability(name: "STARTTLS", rfc: "RFC 3207") { session in
      session.settings.offersSTARTTLS && session.connection.canStartTLS ? .startTLS : nil
    },
  ]
}
