import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// COMPRESS (RFC 4978 §3). TLS here never compresses (BoringSSL cannot), so no other layer can have begun already.
  func compress(_ command: CompressCommand, _ tag: String) throws(CommandError) -> Completion? {
    guard settings.offersCompression, command.algorithm == "DEFLATE" else {
      throw .bad("Unknown compression algorithm")
    }
    // RFC 4978 §3: BAD when COMPRESS is active; the code is for clients that look at codes only.
    guard !connection.isCompressed else {
      return .bad("Compression is active already", code: .compressionActive)
    }
    say(tag, .ok, nil, "DEFLATE active")
    // RFC 4978 §3: what follows is compressed, both ways; also what has come already behind the command.
    connection.startCompression(pending: framer.takeInput(), allowance: 2 * settings.appendLimit)
    return nil
  }
}
