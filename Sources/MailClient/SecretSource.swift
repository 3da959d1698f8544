public import MailNet
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where a secret comes from. It is asked for when it is needed, never kept in a configuration or printed.
public enum SecretSource: Sendable, Hashable {
  /// First line of the command's output, run by `/bin/sh -c`.
  case command(String)
  /// First line of a file; refused when others may read it.
  case file(String)
  case environment(String)
  /// The desktop's secret service by `secret-tool lookup` with these attributes.
  case secretService([String: String])
  /// For tests and for prompts.
  case value(String)

  /// The secret, at least one octet. Commands run for at most `MailClientLimits.secretCommand`; what they write to
  /// standard error goes to ours.
  public func secret(server: String) async throws(ClientError) -> [UInt8] {
    let found: Result<[UInt8], SecretFailure> =
      switch self {
      case .command(let command): await Self.run(["/bin/sh", "-c", command], name: "the password command")
      case .file(let path): await BlockingWork.run { _ in SecretFile.firstLine(of: path) }
      case .environment(let name): Self.environment(name)
      case .secretService(let attributes): await Self.lookUp(attributes)
      case .value(let text): .success(Array(text.utf8))
      }
    switch found {
    case .success(let bytes) where bytes.isEmpty:
      throw ClientError(.secretUnavailable("\(name) gave an empty line"), server: server)
    case .success(let bytes) where bytes.contains(0):
      throw ClientError(.secretUnavailable("\(name) gave binary data"), server: server)
    case .success(let bytes): return bytes
    case .failure(.cancelled): throw ClientError(.cancelled, server: server)
    case .failure(.because(let why)): throw ClientError(.secretUnavailable(why), server: server)
    }
  }

  /// For messages; holds no secret. A command's text may hold one, so it is not shown.
  private var name: String {
    switch self {
    case .command: "the password command"
    case .file(let path): "the password file \(path)"
    case .environment(let name): "the environment variable \(name)"
    case .secretService: "the secret service"
    case .value: "the prompt"
    }
  }

  private static func environment(_ name: String) -> Result<[UInt8], SecretFailure> {
    guard let value = SecretEnvironment.take(name) else {
      return .failure(.because("the environment variable \(name) is not set"))
    }
    return .success(value)
  }

  static func lookUp(
    _ attributes: [String: String], tool: String = "secret-tool"
  ) async -> Result<[UInt8], SecretFailure> {
    guard !attributes.isEmpty else { return .failure(.because("the secret service needs attributes to look for")) }
    let words = attributes.sorted { $0.key < $1.key }.flatMap { [$0.key, $0.value] }
    let found = await run([tool, "lookup"] + words, name: "secret-tool")
    guard case .failure(.because(let why)) = found else { return found }
    return .failure(
      .because("\(why); is it stored? secret-tool store --label=mail \(words.joined(separator: " "))"))
  }

  private static func run(_ arguments: [String], name: String) async -> Result<[UInt8], SecretFailure> {
    await BlockingWork.run { isCancelled in
      SecretCommand(arguments: arguments, name: name).firstLine(isCancelled: isCancelled)
    }
  }
}

enum SecretFailure: Error {
  case because(String)
  case cancelled
}

/// The first line, without its end.
func firstLine(_ bytes: [UInt8]) -> [UInt8] {
  var line = bytes.prefix { $0 != UInt8(ascii: "\n") }
  if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
  return Array(line)
}
