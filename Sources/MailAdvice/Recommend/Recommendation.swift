/// What to do, and why.
public struct Recommendation: Sendable, Hashable, Codable {
  public var way: Way
  /// Two sentences with this mailbox's numbers.
  public var reason: String
  /// False: the mailbox is so small that any way will do.
  public var matters: Bool
  public var alternatives: [Alternative]
  /// What to mind, a sentence each.
  public var cautions: [String]

  public struct Alternative: Sendable, Hashable, Codable {
    public var way: Way
    /// `if …: what it means, in numbers`
    public var when: String
    public init(way: Way, when: String) {
      self.way = way
      self.when = when
    }
  }
}
