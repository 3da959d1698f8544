/// ASCII facts about one byte. Mail protocols compare keywords without case, and only ASCII letters have case there.
extension UInt8 {
  @inlinable public var isASCIIDigit: Bool { self &- 0x30 < 10 }
  @inlinable public var isASCIILetter: Bool { (self | 0x20) &- 0x61 < 26 }
  @inlinable public var asciiUppercased: UInt8 { self &- 0x61 < 26 ? self &- 0x20 : self }
  @inlinable public var asciiLowercased: UInt8 { self &- 0x41 < 26 ? self | 0x20 : self }
  /// Space or tab.
  @inlinable public var isBlank: Bool { self == 0x20 || self == 0x09 }

  public static let cr: UInt8 = 0x0D
  public static let lf: UInt8 = 0x0A
  public static let space: UInt8 = 0x20
  public static let tab: UInt8 = 0x09
  public static let quote: UInt8 = 0x22
  public static let backslash: UInt8 = 0x5C
}
