/// Bounds of what SORT and THREAD keep and look at. Shown in `docs/limits.md`.
enum OrderLimits {
  /// Octets of keys that are kept for the next SORT or THREAD, of all mailboxes together. The ones not used for the longest
  /// time go first.
  static let cachedBytes = 96 << 20
  /// Keys not used for so long are let go of.
  static let idleSeconds: Int64 = 120
  /// References of one message that THREAD looks at, if there are no more than `references / this` messages: the first and
  /// the latest ones. Honest mail has fewer, since clients cut the middle out of long lines.
  static let referencesOfOne = 100
  /// The same in the largest mailboxes: what is left out there is seldom missed, for most ancestors are messages with
  /// references of their own.
  static let fewestReferences = 4
  /// References of one THREAD: bounds its memory to some 50 octets for each, where every one names another message.
  static let references = 8 << 20
  /// Steps that looking for loops may take, in threads made to be deep, before another way of looking is prepared.
  static let ancestrySteps = 1 << 20
  /// Numbers written between two looks at the socket.
  static let numbersPerSlice = 8192
}
