import MailNet
import POP3Core

/// The server's words on their way into an error: short, on one line, and without anything secret.
enum ServerText {
  static let hidden = "(the server's answer is not shown, for it repeats what was sent to log in)"

  /// - Parameter secrets: what was sent and must not come back to be seen; servers do repeat commands they refuse.
  static func clean(_ text: String, hiding secrets: [String] = []) -> String {
    if secrets.contains(where: { !$0.isEmpty && text.contains($0) }) {
      return hidden
    }
    let cut = text.unicodeScalars.prefix(POP3ClientLimits.errorText)
    var clean = ""
    for scalar in cut {
      // Control characters could play with the terminal the error is shown on.
      let isControl = scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
      clean.unicodeScalars.append(isControl ? "?" : scalar)
    }
    return clean
  }

  /// The code and the words of an -ERR. A word in brackets is a code where the server announced codes, or where it is one
  /// of those that are known (RFC 2449 §8, RFC 3206).
  static func split(
    _ status: POP3StatusLine, _ capabilities: POP3Capabilities, hiding secrets: [String] = []
  ) -> (code: String?, text: String) {
    guard let code = status.code else { return (nil, clean(status.text, hiding: secrets)) }
    let isKnown = POP3ResponseCode.allCases.contains { $0.rawValue == code }
    guard capabilities.respCodes || isKnown else { return (nil, clean("[\(code)] \(status.text)", hiding: secrets)) }
    return (clean(code, hiding: secrets), clean(status.text, hiding: secrets))
  }

  /// Whether the words of a refused login say that somebody else has the maildrop open: from servers without codes,
  /// such a refusal looks like that of a wrong password.
  static func saysInUse(_ text: String) -> Bool {
    let text = text.lowercased()
    let names = ["maildrop", "mail drop", "mailbox", "mailspool", "spool"].contains { text.contains($0) }
    let states = ["lock", "in use", "busy", "already open"].contains { text.contains($0) }
    return names && states
  }
}
