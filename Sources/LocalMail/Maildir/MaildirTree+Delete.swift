/// Deleting mailboxes.
extension MaildirTree {
  /// Deleted folders wait under such a name to be removed; nobody takes it for a mailbox.
  private static let deletedPrefix = "..merpati-deleted-"

  /// Refuses a folder that holds messages unless `withMail`. Children stay, as they are mailboxes of their own. INBOX
  /// cannot be deleted. Links are removed, never followed; a folder that is itself a link is refused.
  public func deleteFolder(_ path: [String], withMail: Bool) throws(LocalMailError) {
    guard !isRoot(path) else {
      throw LocalMailError(.malformed("INBOX is the root of the tree and cannot be deleted"), path: root)
    }
    let directory = directory(of: path)
    guard let status = try disk.status(of: directory, followingLinks: false) else {
      throw LocalMailError(.missing, path: directory)
    }
    guard status.kind == .directory else {
      throw LocalMailError(
        .malformed("is a link or a file, not a folder of this tree; remove it by hand"), path: directory)
    }
    if !withMail { try refuseMail(in: directory, named: directory) }
    // One step for everybody else; then there is time to remove what is in it.
    let aside = "\(root)/\(Self.deletedPrefix)\(UniqueName.next())"
    try disk.rename(directory, to: aside, replacing: false)
    if !withMail {
      // Somebody may have delivered in the very last moment.
      do throws(LocalMailError) { try refuseMail(in: aside, named: directory) } catch {
        try disk.rename(aside, to: directory, replacing: false)
        throw error
      }
    }
    try disk.syncDirectory(root)
    try removeTree(aside, depth: 0)
  }

  /// Removes folders that were deleted when the program or the power went. Returns how many.
  @discardableResult
  public func cleanDeleted() throws(LocalMailError) -> Int {
    var removed = 0
    for name in try disk.list(root) where name.utf8.starts(with: Self.deletedPrefix.utf8) {
      try removeTree(root + "/" + name, depth: 0)
      removed += 1
    }
    return removed
  }

  private func refuseMail(in directory: String, named name: String) throws(LocalMailError) {
    for part in ["new", "cur"] {
      let path = directory + "/" + part
      guard try disk.status(of: path, followingLinks: true) != nil else { continue }
      let messages = try disk.list(path).count { !$0.utf8.starts(with: [.dot]) }
      guard messages == 0 else {
        throw LocalMailError(
          .malformed("the folder holds messages (\(messages) in \(part)) and was not deleted"), path: name)
      }
    }
  }

  private func removeTree(_ directory: String, depth: Int) throws(LocalMailError) {
    guard depth < LocalMailLimits.folderDepth else {
      throw LocalMailError(.malformed("directories lie too deep in each other; remove it by hand"), path: directory)
    }
    for name in try disk.list(directory) {
      let path = directory + "/" + name
      do throws(LocalMailError) {
        // Not following links: what they point to is not ours.
        if try disk.status(of: path, followingLinks: false)?.kind == .directory {
          try removeTree(path, depth: depth + 1)
        } else {
          try disk.unlink(path)
        }
      } catch { guard error.isMissing else { throw error } }
    }
    try disk.removeDirectory(directory)
  }
}
