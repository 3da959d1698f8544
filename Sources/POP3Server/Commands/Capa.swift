import POP3Core

extension POP3Session {
  /// CAPA (RFC 2449 §5): different before and after login, and before and after TLS.
  func capa(_ command: POP3Command) {
    let isLoggedIn = drop != nil
    let list = Capability.table.compactMap { row in
      isLoggedIn && !row.afterLogin ? nil : row.announced(self)
    }
    withOutput { POP3Capability.write(list, language, into: &$0) }
  }
}
