import Bytes

/// `COMPRESS` (RFC 4978 §3).
public struct CompressCommand: Hashable, Sendable {
  /// In upper case; `DEFLATE` is the only one there is.
  public var algorithm: String
  public init(_ algorithm: String = "DEFLATE") { self.algorithm = algorithm }
}

extension CommandReader {
  /// compress = "COMPRESS" SP algorithm
  mutating func compressCommand() throws(IMAPSyntaxError) -> CompressCommand {
    try space()
    return CompressCommand(try atom("an algorithm").uppercased())
  }
}

extension CommandPrinter {
  mutating func print(_ command: CompressCommand) { buffer.writeWords([command.algorithm]) }
}
