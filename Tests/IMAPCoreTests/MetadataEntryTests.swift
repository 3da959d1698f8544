import IMAPCore
import Testing

@Suite struct MetadataEntryTests {
  @Test(arguments: ["/shared/comment", "/PRIVATE/Comment", "/shared/a b", "/shared/vendor/x/y", "/shared/vendors/x"])
  func `The name of an entry is kept in lower case`(_ name: String) {
    #expect(MetadataEntry(name) == .good(name.lowercased()))
  }

  /// RFC 5464 §3.2.
  @Test(arguments: [
    "", "/", "/shared", "shared/a", "/shared/", "/shared//a", "/shared/a/", "/other/a", "/shared/a*", "/shared/a%",
    "/shared/a\u{7F}", "/shared/a\tb", "/shared/é", "/shared/\u{212A}omment",
  ])
  func `What is no name of an entry is none`(_ name: String) {
    #expect(MetadataEntry(name) == .malformed)
  }

  @Test func `Vendors' entries have four components, and names an end`() {
    #expect(MetadataEntry("/shared/vendor/x") == .shortVendor)
    #expect(MetadataEntry("/shared/vendor/x", least: 1) == .good("/shared/vendor/x"))
    #expect(MetadataEntry("/shared", least: 1) == .good("/shared"))
    #expect(
      MetadataEntry("/shared/" + String(repeating: "x", count: 247))
        == .good("/shared/" + String(repeating: "x", count: 247)))
    #expect(MetadataEntry("/shared/" + String(repeating: "x", count: 248)) == .malformed)
  }
}
