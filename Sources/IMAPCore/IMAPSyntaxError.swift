/// A command that cannot be understood, or that asks for more than a limit allows. Nothing of it was carried out.
public struct IMAPSyntaxError: Error, Hashable, Sendable {
  public enum Answer: Hashable, Sendable {
    case bad, no
  }

  /// The command's tag if it could be read; otherwise the answer is untagged.
  public var tag: String?
  /// BAD nearly always; NO where the command is well formed but its name or size is not acceptable.
  public var answer: Answer
  public var code: ResponseCode?
  /// One sentence for the client and the log: what was wrong.
  public var reason: Sentence
  /// Octets from the start of the command to the place.
  public var offset: Int

  public init(
    tag: String? = nil, answer: Answer = .bad, code: ResponseCode? = nil, _ reason: Sentence, at offset: Int
  ) {
    self.tag = tag
    self.answer = answer
    self.code = code
    self.reason = reason
    self.offset = offset
  }
}
