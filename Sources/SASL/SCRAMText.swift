import Bytes

/// The small grammar of SCRAM messages (RFC 5802 §7).
enum SCRAMText {
  /// The value of `field` if it is `name=value` with a value that is not empty.
  static func value(_ field: ArraySlice<UInt8>, of name: Character) -> ArraySlice<UInt8>? {
    guard field.count >= 3, let letter = name.asciiValue, field[field.startIndex] == letter,
      field[field.startIndex + 1] == UInt8(ascii: "=")
    else { return nil }
    return field[(field.startIndex + 2)...]
  }

  /// attr-val: a letter, "=" and something. Unknown ones are passed over (RFC 5802 §5.1), `m` never is.
  static func isExtension(_ field: ArraySlice<UInt8>) -> Bool {
    guard let letter = field.first, letter.isASCIILetter, letter != UInt8(ascii: "m") else { return false }
    return field.count >= 3 && field[field.startIndex + 1] == UInt8(ascii: "=") && !field.contains(0)
  }

  /// printable: 0x21–0x7E without the comma.
  static func isNonce(_ bytes: ArraySlice<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") }
  }

  /// Undoes `=2C` and `=3D`; nil for any other use of "=".
  static func decodeName(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
    var name: [UInt8] = []
    name.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      guard bytes[index] == UInt8(ascii: "=") else {
        name.append(bytes[index])
        index += 1
        continue
      }
      // RFC 5802 §5.1: "=" not followed by "2C" or "3D" MUST fail.
      guard bytes.endIndex - index >= 3 else { return nil }
      switch (bytes[index + 1], bytes[index + 2]) {
      case (UInt8(ascii: "2"), UInt8(ascii: "C")): name.append(UInt8(ascii: ","))
      case (UInt8(ascii: "3"), UInt8(ascii: "D")): name.append(UInt8(ascii: "="))
      default: return nil
      }
      index += 3
    }
    return name
  }

  /// Writes `,` and `=` of a name as SCRAM wants them.
  static func encodeName(_ name: String) -> String {
    var encoded = String.UnicodeScalarView()
    for scalar in name.unicodeScalars {
      switch scalar {
      case ",": encoded.append(contentsOf: "=2C".unicodeScalars)
      case "=": encoded.append(contentsOf: "=3D".unicodeScalars)
      default: encoded.append(scalar)
      }
    }
    return String(encoded)
  }
}
