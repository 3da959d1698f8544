/// The accounts that the writer knows without reading rows: those written to lately. Two generations, so that a writer that
/// never rests does not come to hold every account there is.
struct WarmAccounts {
  private let most: Int
  private var young: [Int64: AccountBox] = [:]
  private var old: [Int64: AccountBox] = [:]

  /// - most: accounts in memory; some more within one commit.
  init(most: Int) { self.most = most }

  var count: Int { young.count + old.count }

  mutating func find(_ id: Int64) -> AccountBox? {
    if let account = young[id] { return account }
    guard let account = old.removeValue(forKey: id) else { return nil }
    young[id] = account
    return account
  }

  mutating func insert(_ account: AccountBox) {
    old[account.id] = nil
    young[account.id] = account
  }

  mutating func forget(_ id: Int64) {
    young[id] = nil
    old[id] = nil
  }

  mutating func forgetAll() {
    young = [:]
    old = [:]
  }

  /// To be called between two commits only: what a box says must stand in the rows.
  mutating func age() {
    guard young.count > most / 2 else { return }
    old = young
    young = [:]
  }
}
