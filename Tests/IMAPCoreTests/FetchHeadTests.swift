import Bytes
import IMAPCore
import NIOCore
import Testing

@Suite struct FetchHeadTests {
  @Test func `Dates are written as FetchLine writes them`() {
    let seconds: [Int64] = [
      0, 59, 3599, 86_399, 1_750_000_000, -1, -62_167_219_200, -62_167_132_800, 253_402_300_799, .min, .max,
      951_782_400,
    ]
    for second in seconds {
      for zone in [0, 1, -1, 60, -480, 345, 1439, -1439, Int16.max, Int16.min] as [Int16] {
        let date = IMAPDateTime(seconds: second, zoneMinutes: zone)
        var expected = ByteBuffer()
        expected.writeDateTime(date)
        var found = ByteBuffer()
        found.writeRaw(room: 29) { $0.writeDateTime(date) }
        #expect(String(buffer: found) == String(buffer: expected))
      }
    }
  }

  @Test func `Flags are written as FetchLine writes them, within the room that is reckoned`() {
    let names = ["$Forwarded", "a", String(repeating: "k", count: 255)]
    for bits in 0..<64 {
      for keywords in [0, 1, 2, 5, 7, 8, UInt64.max] {
        let flags = FlagSet(rawValue: UInt8(bits))
        var expected = ByteBuffer()
        expected.writeStaticString("FLAGS ")
        expected.writeFlagList(flags, keywords: keywords, names: names)
        var found = ByteBuffer()
        found.writeRaw(room: 60 + RawWriter.keywordRoom(names)) {
          $0.writeFlagList(flags, keywords: keywords, names: names)
        }
        #expect(String(buffer: found) == String(buffer: expected))
      }
    }
  }

  @Test func `Numbers, and the longest head there is, fit`() {
    for value in [0, 9, 10, 99, 100, UInt64(UInt32.max), UInt64.max] {
      var buffer = ByteBuffer()
      buffer.writeRaw(room: 20) { $0.writeDecimal(value) }
      #expect(String(buffer: buffer) == "\(value)")
    }
    var buffer = ByteBuffer()
    buffer.writeRaw(room: RawWriter.fetchHeadRoom) { writer in
      writer.startFetch(.max)
      writer.write("UID ")
      writer.writeDecimal(UInt64(UInt32.max))
      writer.write(UInt8.space)
      writer.writeFlagList(FlagSet(rawValue: 63), keywords: 0, names: [])
      writer.write(" INTERNALDATE ")
      writer.writeDateTime(IMAPDateTime(seconds: .max, zoneMinutes: .min))
      writer.write(" RFC822.SIZE ")
      writer.writeDecimal(.max)
    }
    #expect(buffer.readableBytes <= RawWriter.fetchHeadRoom)
  }
}
