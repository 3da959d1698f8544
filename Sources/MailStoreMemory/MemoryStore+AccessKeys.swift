public import MailStore

extension MemoryStore {
  public func accessKey(_ use: AccessKeyUse, of ref: MailboxRef) async throws(StoreError) -> [UInt8]? {
    guard case .read = use else {
      return try await write { state throws(StoreError) in
        _ = try state.mailbox(ref)
        switch use {
        case .read: break
        case .orElse(let key): if state.accessKeys[ref] == nil { state.accessKeys[ref] = key }
        case .replace where state.settings.fault == .resetKeepsKey && state.accessKeys[ref] != nil: break
        case .replace(let key): state.accessKeys[ref] = key
        }
        return state.accessKeys[ref]
      }
    }
    return try await read { $0.accessKeys[ref] }
  }

  public func removeAccessKeys(of account: AccountID) async throws(StoreError) {
    try await write { state throws(StoreError) in
      _ = try state.account(account)
      state.accessKeys = state.accessKeys.filter { $0.key.account != account }
    }
  }
}
