/// The file `subscriptions` of a tree, as Dovecot keeps it, or `courierimapsubscribed` where only that is there.
///
/// Version 2 begins with `V\t2` and an empty line, and has a mailbox a line with tabs between the levels; before, levels
/// stood with `.` between them. Levels are spelled as in the names of directories.
extension MaildirTree {
  private static let header = "V\t2"
  private var subscriptionsPath: String { root + "/subscriptions" }

  /// Names in `subscriptions`, one a line, as paths.
  public func subscriptions() throws(LocalMailError) -> [[String]] {
    var result: [[String]] = []
    func add(_ levels: [Substring]) {
      guard levels.contains(where: { !$0.isEmpty }) else { return }
      let path = levels.map { MailboxNames.decode(String($0)) }
      let named = MailboxNames.isInbox(path) ? MailboxNames.inbox : path
      if !result.contains(named) { result.append(named) }
    }
    var number = 0
    var isNewForm = false
    let isThere = try disk.forEachLine(of: subscriptionsPath) { line in
      number += 1
      if number == 1, line == Self.header {
        isNewForm = true
      } else {
        add(line.split(separator: isNewForm ? "\t" : ".", omittingEmptySubsequences: false))
      }
    }
    guard !isThere else { return result }
    // Courier puts everything below INBOX.
    _ = try disk.forEachLine(of: root + "/courierimapsubscribed") { line in
      let levels = line.split(separator: ".", omittingEmptySubsequences: false)
      let isBelow = levels.count > 1 && levels[0].utf8.elementsEqual("INBOX".utf8)
      add(isBelow ? Array(levels.dropFirst()) : levels)
    }
    return result
  }

  /// Replaces the file, in the newer form, under the lock that Dovecot takes for it.
  public func setSubscriptions(_ paths: [[String]]) throws(LocalMailError) {
    let lock = try DotLock.acquire(subscriptionsPath + ".lock", disk: disk)
    defer { lock.release() }
    var text = Self.header + "\n\n"
    for path in paths {
      let named = isRoot(path) ? MailboxNames.inbox : path
      text += named.map(MailboxNames.encode).joined(separator: "\t") + "\n"
    }
    try disk.replace(subscriptionsPath, with: Array(text.utf8))
  }
}
