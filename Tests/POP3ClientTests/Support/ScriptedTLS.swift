import MailTestKit
import NIOCore
import NIOSSL

extension ScriptedPeer {
  /// Sends the last words in the clear and is ready for the handshake, in one go.
  func startTLS(_ context: NIOSSLContext, saying words: String) async throws {
    let channel = channel
    try await channel.eventLoop.submit {
      channel.writeAndFlush(ByteBuffer(string: words), promise: nil)
      try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context), position: .first)
    }.get()
  }
}
