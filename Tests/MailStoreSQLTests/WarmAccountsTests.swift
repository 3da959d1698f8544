import Testing

@testable import MailStoreSQL

@Suite struct WarmAccountsTests {
  private static func box(_ id: Int64) -> AccountBox { AccountBox(id: id, counters: AccountCounters()) }

  @Test func `Whatever comes, no more than the most is kept between two commits`() {
    var accounts = WarmAccounts(most: 10)
    for id in Int64(1)...1000 {
      accounts.insert(Self.box(id))
      accounts.age()
      #expect(accounts.count <= 12)
    }
  }

  @Test func `An account that is asked for again and again stays the same box`() {
    var accounts = WarmAccounts(most: 10)
    let one = Self.box(1)
    accounts.insert(one)
    for id in Int64(2)...100 {
      #expect(accounts.find(1) === one)
      accounts.insert(Self.box(id))
      accounts.age()
    }
    let last = accounts.find(2)
    #expect(last == nil)
  }

  @Test func `What is forgotten is not found in either generation`() {
    var accounts = WarmAccounts(most: 2)
    for id in Int64(1)...4 {
      accounts.insert(Self.box(id))
      accounts.age()
    }
    for id in Int64(1)...4 {
      accounts.forget(id)
      let found = accounts.find(id)
      #expect(found == nil)
    }
    #expect(accounts.count == 0)
  }
}
