public import Bytes

/// The beginning of a FETCH response, up to the first item that is copied from elsewhere: what `FetchLine` writes piece by
/// piece, in one go.
extension RawWriter {
  /// Octets that suffice for everything here, each item once, keywords apart: the longest are `* ` and `FETCH` with a number
  /// (19 and 13), UID (15), MODSEQ (30), six flags (56), INTERNALDATE (42), RFC822.SIZE (33), SAVEDATE (38).
  public static let fetchHeadRoom = 256

  @inlinable
  public mutating func startFetch(_ sequence: Int) {
    write("* ")
    writeDecimal(UInt64(sequence))
    write(" FETCH (")
  }

  /// `* 7 UIDFETCH (` (RFC 9586 §3.3).
  @inlinable
  public mutating func startUIDFetch(_ uid: UInt32) {
    write("* ")
    writeDecimal(UInt64(uid))
    write(" UIDFETCH (")
  }

  /// `MODSEQ (12)` (RFC 7162 §3.1.4.2).
  @inlinable
  public mutating func writeModSeq(_ modSeq: UInt64) {
    write("MODSEQ (")
    writeDecimal(modSeq)
    write(UInt8(ascii: ")"))
  }

  /// The keywords take `keywordRoom(names)` at most.
  @inlinable
  public mutating func writeFlagList(_ flags: FlagSet, keywords: UInt64, names: [String]) {
    write("FLAGS (")
    let start = count
    if flags.contains(.answered) { write("\\Answered ") }
    if flags.contains(.flagged) { write("\\Flagged ") }
    if flags.contains(.deleted) { write("\\Deleted ") }
    if flags.contains(.seen) { write("\\Seen ") }
    if flags.contains(.draft) { write("\\Draft ") }
    if flags.contains(.recent) { write("\\Recent ") }
    var rest = keywords
    while rest != 0 {
      let bit = rest.trailingZeroBitCount
      rest &= rest &- 1
      guard bit < names.count else { break }
      write(names[bit])
      write(UInt8.space)
    }
    if count > start { unwrite(1) }
    write(UInt8(ascii: ")"))
  }

  /// Octets that the keywords `names` take in a list of flags.
  public static func keywordRoom(_ names: [String]) -> Int { names.reduce(0) { $0 + $1.utf8.count + 1 } }

  /// As `ByteBuffer.writeDateTime`.
  @inlinable
  public mutating func writeDateTime(_ date: IMAPDateTime) {
    let (civil, time, zone) = date.local
    write(UInt8.quote)
    if civil.day < 10 {
      write(UInt8.space)
      writeDecimal(UInt64(civil.day))
    } else {
      writeTwoDigits(civil.day)
    }
    write(UInt8(ascii: "-"))
    write(UnsafeRawBufferPointer(start: CivilDate.months.utf8Start + (civil.month - 1) * 3, count: 3))
    write(UInt8(ascii: "-"))
    let year = Int(civil.year.magnitude)
    writeTwoDigits(year / 100)
    writeTwoDigits(year)
    write(UInt8.space)
    writeTwoDigits(time / 3600)
    write(UInt8(ascii: ":"))
    writeTwoDigits(time / 60 % 60)
    write(UInt8(ascii: ":"))
    writeTwoDigits(time % 60)
    write(UInt8.space)
    write(zone < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+"))
    writeTwoDigits(abs(zone) / 60)
    writeTwoDigits(abs(zone) % 60)
    write(UInt8.quote)
  }
}
