/// Comparisons whose duration tells nothing about where two secrets differ.
public enum ConstantTime {
  /// Whether both hold the same bytes. Takes as long for a difference in the first byte as for none; only a difference
  /// in length is told early, and the lengths compared here are no secret.
  @inline(never)
  public static func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    guard left.count == right.count else { return false }
    var difference: UInt8 = 0
    for index in left.indices { difference |= left[index] ^ right[index] }
    return difference == 0
  }
}
