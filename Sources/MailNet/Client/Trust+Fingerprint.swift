extension TransportSecurity.Trust {
  /// `.fingerprint` of 64 hexadecimal digits, with or without colons, in any letter case; nil for anything else.
  public static func fingerprint(hexadecimal text: some StringProtocol) -> Self? {
    let digits = text.utf8.filter { $0 != UInt8(ascii: ":") }
    guard digits.count == 64 else { return nil }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      let pair = String(decoding: digits[index..<(index + 2)], as: UTF8.self)
      // `UInt8(_:radix:)` takes a sign.
      guard !pair.hasPrefix("+"), !pair.hasPrefix("-"), let byte = UInt8(pair, radix: 16) else { return nil }
      bytes.append(byte)
    }
    return .fingerprint(bytes)
  }
}
