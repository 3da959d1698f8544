import Foundation
import MailStore
import MailStoreSQL
import MailTestKit
import NIOCore

/// Both stores, for tests with models.
enum ModelStore: String, Sendable, CaseIterable {
  case memory, sql

  /// The store, and what takes its files away.
  func open() throws -> (store: any MailStore, remove: @Sendable () -> Void) {
    switch self {
    case .memory: return (FakeStore(), {})
    case .sql:
      let folder = FileManager.default.temporaryDirectory.appendingPathComponent("merpati-model-\(UUID().uuidString)")
      let store = try SQLStore.open(directory: folder.path, settings: StoreSettings(upkeepInterval: 0))
      return (store, { try? FileManager.default.removeItem(at: folder) })
    }
  }
}

/// How many operations, and from which seed. The tests of a change play few, and always the same: what they find is the change's.
/// `make models` plays many (MODEL_OPERATIONS), from another seed each time (MODEL_SEED: the same again). What a run prints is what repeats it; how clients that are at work at once
/// come in each other's way is not for a seed to say.
enum ModelRun {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
  }
  static func operations(_ few: Int) -> Int { number("MODEL_OPERATIONS").map { Int(clamping: $0) } ?? few }
  static let seed: UInt64 =
    number("MODEL_SEED") ?? (number("MODEL_OPERATIONS") == nil ? 5465 : UInt64.random(in: 1...999_999_999))

  static func announce(_ what: String, _ operations: Int) {
    print("model: \(what), \(operations) operations, MODEL_SEED=\(seed)")
  }

  static func addAccount(to store: any MailStore) async throws -> Account {
    try await store.addAccount(
      NewAccount(name: "budi", credentials: TestServer.credentials(password: "rahasia")))
  }
}

extension SeededRandom {
  mutating func int(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
  mutating func pick<Value>(_ values: [Value]) -> Value { values[int(0...values.count - 1)] }
  mutating func flip() -> Bool { Bool.random(using: &self) }
}
