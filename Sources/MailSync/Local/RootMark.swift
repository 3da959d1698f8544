/// A small file in the root of the local folders that says which state belongs to it. Where the disk is not mounted it is
/// missing, and an empty folder is not taken for a deletion of everything.
enum RootMark {
  static let fileName = ".merpati-root"

  /// Random, 32 hexadecimal digits.
  static func make() -> String {
    let digits = Array("0123456789abcdef")
    return String((0..<32).map { _ in digits[Int.random(in: 0..<16)] })
  }

  /// Checks the mark against the state; sets it at the first run.
  static func check(_ local: any SyncLocal, _ state: SyncState) async throws {
    let known = try await state.info("mark")
    let found = try await local.mark()
    if let known {
      guard known == found else { throw SyncError.rootLost(path: local.path) }
      return
    }
    // A root that another state has synced is adopted with its mark.
    let mark = found ?? make()
    if found == nil { try await local.setMark(mark) }
    try await state.setInfo("mark", mark)
  }
}
