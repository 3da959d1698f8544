import IMAPCore
import MailNet

extension IMAPClient {
  /// COMPRESS DEFLATE (RFC 4978), where offered. A server that refuses leaves the line as it is.
  func startCompression() async throws(ClientError) {
    guard has("COMPRESS=DEFLATE"), !isCompressed else { return }
    // RFC 4978 §3: nothing more is sent before the answer.
    let command = try await begin("COMPRESS") { $0.word("COMPRESS DEFLATE") }
    guard try await finish(command).condition == .ok else { return }
    do {
      try await connection.startCompression(pending: framer.takeRest())
    } catch {
      isBroken = true
      throw error
    }
    isCompressed = true
  }
}
