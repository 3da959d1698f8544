public import MailStore
import NIOCore

/// Rows of `annotation` with account 0, which no account has.
extension SQLStore {
  public func serverAnnotations() async throws(StoreError) -> [Annotation] {
    try await readers.run { reader throws(StoreError) in try reader.db.serverAnnotations() }
  }

  public func setServerAnnotations(
    _ changes: [AnnotationChange], limits: AnnotationLimits
  ) async throws(StoreError) -> Bool {
    try await writer.write { transaction throws(StoreError) in
      try transaction.setServerAnnotations(changes, limits)
    }
  }
}

extension SQLConnection {
  fileprivate func serverAnnotations() throws(StoreError) -> [Annotation] {
    let row = try self(
      "SELECT entry, value FROM annotation WHERE account = 0 AND mailbox = 0 AND uid = 0 AND viewer = 0 ORDER BY entry")
    var found: [Annotation] = []
    try row.forEach { found.append(Annotation($0.text(0), $0.buffer(1))) }
    return found
  }
}

extension Transaction {
  fileprivate func setServerAnnotations(
    _ changes: [AnnotationChange], _ limits: AnnotationLimits
  ) throws(StoreError) -> Bool {
    let before = try db.serverAnnotations()
    guard let after = before.applying(changes, limits) else { return false }
    guard after != before else { return true }
    hasWritten = true
    let remove = try db(
      "DELETE FROM annotation WHERE account = 0 AND mailbox = 0 AND uid = 0 AND viewer = 0 AND entry = ?")
    let insert = try db(
      "INSERT INTO annotation (account, mailbox, uid, viewer, entry, value, modseq) VALUES (0, 0, 0, 0, ?, ?, 0)")
    for change in changes {
      remove.bind(1, change.entry)
      try remove.run()
      guard let value = change.value else { continue }
      insert.bind(1, change.entry)
      insert.bind(2, value)
      try insert.run()
    }
    note(AnnotatedPlace(server: changes))
    return true
  }
}
