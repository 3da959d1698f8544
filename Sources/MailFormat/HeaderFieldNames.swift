import Bytes

/// Names of header fields, looked up without ASCII case. Thousands cost no more than a few: a client may name as many as
/// fit into a command, and a sender may write a million fields.
public struct HeaderFieldNames: Sendable {
  /// Lower case.
  private let names: Set<[UInt8]>
  /// Octets of the longest.
  let longest: Int

  public init(_ names: some Sequence<[UInt8]>) {
    self.names = Set(names.map { $0.map(\.asciiLowercased) })
    longest = self.names.lazy.map(\.count).max() ?? 0
  }

  func contains(_ bytes: RawSpan, _ name: Range<Int>) -> Bool {
    guard name.count <= longest else { return false }
    guard names.count > 4 else { return names.contains { bytes.equalsIgnoringCase($0, in: name) } }
    var word: [UInt8] = []
    word.reserveCapacity(name.count)
    for offset in name { word.append(bytes.at(offset).asciiLowercased) }
    return names.contains(word)
  }
}
