import MailStore
import MailTestKit
import NIOCore
import Testing

@Suite struct ServerAnnotationConformance {
  private func set(
    _ store: any MailStore, _ values: [String: String?], entries: Int = 10, octets: Int = 1000
  ) async throws -> Bool {
    try await store.setServerAnnotations(
      values.map { AnnotationChange($0.key, $0.value.map { ByteBuffer(string: $0) }) },
      limits: AnnotationLimits(entries: entries, octets: octets))
  }

  private func text(_ store: any MailStore) async throws -> [String: String] {
    let all = try await store.serverAnnotations()
    #expect(all.map(\.entry) == all.map(\.entry).sorted())
    return Dictionary(uniqueKeysWithValues: all.map { ($0.entry, String(buffer: $0.value)) })
  }

  @Test(arguments: Engine.allCases)
  func `Entries of the server are one list for all, kept apart from every account's`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      #expect(try await set(store, ["/shared/comment": "a", "/shared/vendor/x/y": ""]))
      #expect(try await text(store) == ["/shared/comment": "a", "/shared/vendor/x/y": ""])
      #expect(try await store.annotations(of: ana.id)[nil] == nil)
      #expect(try await store.holdings(of: ana.id).annotationBytes == 0)
      _ = try await store.setAnnotations(
        [AnnotationChange("/private/comment", ByteBuffer(string: "b"))], in: nil, of: ana.id,
        limits: AnnotationLimits(entries: 1, octets: 100), by: [])
      #expect(try await text(store) == ["/shared/comment": "a", "/shared/vendor/x/y": ""])
      try await store.removeAccount(ana.id)
      _ = try await store.compact()
      #expect(try await text(store) == ["/shared/comment": "a", "/shared/vendor/x/y": ""])
      #expect(try await set(store, ["/shared/comment": nil]))
      #expect(try await text(store) == ["/shared/vendor/x/y": ""])
      #expect(try await store.check().problems.isEmpty)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Entries of the server are set all or nothing, and their bounds forbid no removal`(_ engine: Engine) async throws
  {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      #expect(try await set(store, ["/shared/a": "12", "/shared/b": "34"]))
      #expect(try await !set(store, ["/shared/a": "1", "/shared/c": "5"], entries: 2))
      #expect(try await text(store) == ["/shared/a": "12", "/shared/b": "34"])
      // Names count: two of nine octets, and four of values.
      #expect(try await !set(store, ["/shared/a": "123"], octets: 22))
      #expect(try await set(store, ["/shared/a": "123"], octets: 23))
      #expect(try await set(store, ["/shared/a": "1"], entries: 1, octets: 5))
      #expect(try await set(store, ["/shared/a": nil, "/shared/c": "5"], entries: 1, octets: 21))
      #expect(try await text(store) == ["/shared/b": "34", "/shared/c": "5"])
      #expect(try await store.annotations(of: ana.id).isEmpty)
    }
  }

  @Test(arguments: Engine.allCases)
  func `Watches of all accounts hear of what has changed, and of nothing else`(_ engine: Engine) async throws {
    try await withStore(engine) { store, _ in
      let ana = try await store.add("ana")
      let budi = try await store.add("budi")
      let told = Gathered<Int>()
      let watches = [
        try await store.watch(ana.id) { told.add(1) }, try await store.watch(budi.id) { told.add(2) },
      ]
      defer { for watch in watches { watch.close() } }
      #expect(try await set(store, ["/shared/comment": "a"]))
      #expect(told.values.sorted() == [1, 2])
      for watch in watches {
        let news = watch.news()
        #expect(news.annotated == [AnnotationName(nil, "/shared/comment")])
        #expect(news.listing == nil && news.changed.isEmpty)
      }
      #expect(try await set(store, ["/shared/comment": "a", "/shared/tiada": nil]))
      #expect(try await !set(store, ["/shared/comment": "b", "/shared/x": "c"], entries: 1))
      #expect(watches.allSatisfy { $0.news().isEmpty })
      #expect(try await set(store, ["/shared/comment": nil]))
      #expect(watches.allSatisfy { $0.news().annotated == [AnnotationName(nil, "/shared/comment")] })
    }
  }
}
