import Foundation

/// The other end of the control socket: blocking, for a command that does one thing and ends.
public struct ControlClient: ~Copyable {
  private let descriptor: Int32

  /// Nil: nobody listens there, so no server runs on this folder.
  public init?(socket path: String) throws(ControlFailure) {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    let descriptor = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { throw Self.failure("socket", path) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
      close(descriptor)
      throw ControlFailure(.configuration, "\(path): too long for a socket; use a data folder with a shorter path")
    }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
    let connected = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    if connected != 0 {
      let reason = errno
      close(descriptor)
      // A socket left behind by a server that was killed.
      if reason == ECONNREFUSED || reason == ENOENT { return nil }
      if reason == EACCES {
        throw ControlFailure(.noPermission, "\(path): permission denied; run this as the user who runs the server")
      }
      throw Self.failure("connect", path)
    }
    guard SocketOwner.isTrusted(descriptor, path) else {
      close(descriptor)
      throw SocketOwner.refusal(path)
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }

  /// Sends the request, then the chunks of `body` while it returns any, and waits for the reply.
  public func call(
    _ request: ControlRequest, body: (() throws -> [UInt8]?)? = nil
  ) throws -> ControlReply {
    // A server that goes away in the middle must be an error, not a signal.
    signal(SIGPIPE, SIG_IGN)
    var line = Array(try JSONEncoder().encode(request))
    line.append(0x0A)
    try send(line)
    if let body {
      while let chunk = try body(), !chunk.isEmpty {
        try send(Array("\(chunk.count)\n".utf8))
        try send(chunk)
      }
      try send(Array("0\n".utf8))
    }
    return try JSONDecoder().decode(ControlReply.self, from: Data(receive()))
  }

  private func send(_ bytes: [UInt8]) throws {
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw ControlFailure(.temporary, "the server closed the control connection") }
      sent += count
    }
  }

  private func receive() throws -> [UInt8] {
    var reply: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      let count = read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      if count <= 0 { break }
      reply.append(contentsOf: chunk[..<count])
      if chunk[count - 1] == 0x0A { break }
    }
    guard !reply.isEmpty else { throw ControlFailure(.temporary, "the server closed the control connection") }
    return reply
  }

  private static func failure(_ call: String, _ path: String) -> ControlFailure {
    ControlFailure(.unavailable, "\(path): \(call): \(String(cString: strerror(errno)))")
  }
}
