import ArgumentParser
import Foundation
import MailClient
import MailNet
import MerpatiServer
import NIOPosix

struct Authorize: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "authorize", abstract: "Sign in by a browser once, and keep the refresh token (RFC 8628).",
    discussion: """
      For servers that take no password: the page and the code are shown here, and the refresh token is written to a file \
      that only you may read. In the file of accounts: oauth: {token-url, client-id, refresh-token-file}.
      """)

  @Option(help: ArgumentHelp("The provider's device authorization endpoint.", valueName: "url")) var deviceUrl: String
  @Option(help: ArgumentHelp("The provider's token endpoint.", valueName: "url")) var tokenUrl: String
  @Option(help: ArgumentHelp("The application's identifier there.", valueName: "id")) var clientId: String
  @Option(help: ArgumentHelp("A file with the application's secret, where the provider gave one.", valueName: "file"))
  var clientSecretFile: String?
  @Option(help: ArgumentHelp("What is asked for, blanks between.", valueName: "scope")) var scope: String?
  @Option(name: .customLong("ca"), help: ArgumentHelp("Trust the authorities of this PEM file.", valueName: "file"))
  var authorities: String?
  @Option(help: ArgumentHelp("Where the refresh token goes; must not exist yet.", valueName: "file")) var to: String
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      let group = MultiThreadedEventLoopGroup.singleton
      let trust: TransportSecurity.Trust = authorities.map { .authorities(file: $0) } ?? .system
      let flow = DeviceCodeFlow(
        deviceEndpoint: try OAuthEndpoint(url: deviceUrl, trust: trust, group: group),
        tokenEndpoint: try OAuthEndpoint(url: tokenUrl, trust: trust, group: group),
        client: OAuthClient(id: clientId, secret: clientSecretFile.map { .file($0) }, scope: scope))
      let file = try SecretOutput(path: Places.absolute(to))
      do {
        let grant = try await flow.run { show($0) }
        guard let token = grant.refreshToken else {
          throw Refusal(
            code: .data, sentence: "\(tokenUrl): no refresh token was granted; ask for offline access by --scope")
        }
        try file.write(token)
      } catch {
        file.discard()
        throw error
      }
      if !json { print("the refresh token is in \(to)") }
    }
  }

  private func show(_ prompt: DevicePrompt) {
    if json {
      struct Output: Encodable {
        var page: String
        var code: String
        var seconds: Int64
      }
      let output = Output(
        page: prompt.completeURI ?? prompt.verificationURI, code: prompt.userCode,
        seconds: prompt.lifetime.components.seconds)
      // Straight to the descriptor: who reads it must not wait for a buffer to fill.
      if let line = try? JSONEncoder().encode(output) { FileHandle.standardOutput.write(line + Data("\n".utf8)) }
      return
    }
    Terminal.note("Open  \(prompt.verificationURI)\nCode  \(prompt.userCode)\n")
    Terminal.note(
      "Waiting until you have agreed there (\(prompt.lifetime.components.seconds / 60) minutes at most) ...")
  }
}

/// A file for a secret: made before the secret is there, for its owner alone, never over another file.
struct SecretOutput {
  private let path: String
  private let descriptor: Int32

  init(path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else {
      throw Refusal(code: .cannotCreate, sentence: "\(path): \(String(cString: strerror(errno)))")
    }
  }

  func write(_ secret: String) throws {
    defer { close(descriptor) }
    let bytes = Array((secret + "\n").utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Foundation.write(descriptor, $0.baseAddress.map { $0 + sent }, bytes.count - sent)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { break }
      sent += count
    }
    guard sent == bytes.count, fsync(descriptor) == 0 else {
      throw Refusal(code: .inputOutput, sentence: "\(path): \(String(cString: strerror(errno)))")
    }
  }

  func discard() {
    close(descriptor)
    unlink(path)
  }
}
