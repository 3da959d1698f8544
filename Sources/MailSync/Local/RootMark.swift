/// A small file in the root of the local folders that says which state belongs to it. Where the disk is not mounted it is
/// missing, and an empty folder is not taken for a deletion of everything.
enum RootMark {
  static let fileName = ".merpati-root"

  /// 32 random hexadecimal digits, a space, and the account.
  static func make(_ account: String) -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<32).map { _ in digits[Int.random(in: 0..<16)] }) + " " + account
  }

  private static func account(_ mark: String) -> String? {
    mark.firstIndex(of: " ").map { String(mark[mark.index(after: $0)...]) }
  }

  /// Checks the mark against the state; sets it at the first run.
  static func check(_ local: any SyncLocal, _ state: SyncState, account: String) async throws {
    let known = try await state.info("mark")
    let found = try await local.mark()
    if let known {
      guard known == found else { throw SyncError.rootLost(path: local.path) }
      return
    }
    // A root whose state was lost is adopted with its mark; another account's is not.
    if let found, let owner = Self.account(found), owner != account {
      throw SyncError.otherAccount(path: local.path, account: owner)
    }
    let mark = found ?? make(account)
    if found == nil { try await local.setMark(mark) }
    try await state.setInfo("mark", mark)
  }
}
