/// A Maildir++ tree: the root folder is INBOX, others are `.Name.Sub` beside it, as Dovecot and Courier keep them
/// (names in modified UTF-7, `.` between levels; see `MailboxNames` for what does not fit in there). Calls block.
public struct MaildirTree: Sendable {
  public let root: String
  let disk: any LocalDisk

  public init(root: String) { self.init(root: root, disk: PosixDisk()) }

  public init(root: String, disk: any LocalDisk) {
    // `/a/b/` and `/a/b` are the same tree.
    self.root = root.utf8.count > 1 && root.utf8.last == .slash ? String(root.dropLast()) : root
    self.disk = disk
  }

  /// Creates the root with `cur`, `new`, `tmp` if it is not there; synced. Its parents are created too.
  public func create() throws(LocalMailError) {
    try makeParents(of: root)
    try makeMaildir(root)
  }

  /// Paths of mailboxes, INBOX as `["INBOX"]`, sorted.
  public func folders() throws(LocalMailError) -> [[String]] {
    var result: [[String]] = []
    for name in try disk.list(root) {
      guard let path = MailboxNames.path(ofDirectory: name), try isMaildir(root + "/" + name) else { continue }
      result.append(path)
    }
    result.sort { $0.lexicographicallyPrecedes($1) }
    return [MailboxNames.inbox] + result
  }

  /// The folder of a mailbox, whether it is there or not.
  public func folder(_ path: [String]) -> MaildirFolder { MaildirFolder(directory: directory(of: path), disk: disk) }

  /// Synced. A mailbox that is there already is completed and returned: what a crash left half made is made whole.
  public func createFolder(_ path: [String]) throws(LocalMailError) -> MaildirFolder {
    let folder = folder(path)
    guard !isRoot(path) else {
      try create()
      return folder
    }
    guard folder.directory.lastPathComponent.utf8.count <= LocalMailLimits.fileName else {
      throw LocalMailError(
        .malformed("the name takes more than \(LocalMailLimits.fileName) octets on disk; choose a shorter one"),
        path: folder.directory)
    }
    try makeMaildir(folder.directory)
    return folder
  }

  /// Children go along; subscriptions stay (RFC 9051 §6.3.6). Throws `.exists` if the new name, or that of a child, is
  /// taken. The mailbox itself is renamed last: if it is cut in the middle, the same call finishes it.
  public func renameFolder(_ path: [String], to newPath: [String]) throws(LocalMailError) {
    guard !isRoot(path), !isRoot(newPath) else {
      throw LocalMailError(
        .malformed("INBOX is the root of the tree and cannot be renamed; move its messages"), path: root)
    }
    guard !newPath.starts(with: path) else {
      if newPath == path { return }
      throw LocalMailError(.malformed("a mailbox cannot become its own child"), path: directory(of: path))
    }
    let old = try folders().filter { $0.starts(with: path) && !isRoot($0) }.sorted { $0.count > $1.count }
    guard !old.isEmpty else { throw LocalMailError(.missing, path: directory(of: path)) }
    let moves = old.map { (from: directory(of: $0), to: directory(of: newPath + $0.dropFirst(path.count))) }
    for move in moves {
      guard move.to.lastPathComponent.utf8.count <= LocalMailLimits.fileName else {
        throw LocalMailError(.malformed("the new name is too long for the disk"), path: move.to)
      }
      if try disk.status(of: move.to, followingLinks: false) != nil { throw LocalMailError(.exists, path: move.to) }
    }
    for move in moves { try disk.rename(move.from, to: move.to, replacing: false) }
    try disk.syncDirectory(root)
  }

  // MARK: Names and directories

  func isRoot(_ path: [String]) -> Bool { path.isEmpty || MailboxNames.isInbox(path) }

  /// Where the mailbox lies, also if others spell its name in another way than we would.
  func directory(of path: [String]) -> String {
    guard !isRoot(path) else { return root }
    let usual = root + "/" + MailboxNames.directory(path)
    if let status = try? disk.status(of: usual, followingLinks: true), status.kind == .directory { return usual }
    guard let names = try? disk.list(root),
      let other = names.first(where: { MailboxNames.path(ofDirectory: $0) == path })
    else { return usual }
    return root + "/" + other
  }

  /// The root is a Maildir, as far as one can see: whether that would survive a power cut only `create` can tell.
  public func isThere() throws(LocalMailError) -> Bool {
    for name in ["tmp", "new", "cur"] {
      guard try disk.status(of: root + "/" + name, followingLinks: true)?.kind == .directory else { return false }
    }
    return true
  }

  private func isMaildir(_ directory: String) throws(LocalMailError) -> Bool {
    guard try disk.trustedStatus(of: directory)?.kind == .directory,
      try disk.trustedStatus(of: directory + "/cur")?.kind == .directory
    else { return false }
    try disk.checkLinks(in: directory)
    return true
  }

  /// `directory` with all that makes it a Maildir, durable.
  private func makeMaildir(_ directory: String) throws(LocalMailError) {
    let parent = directory.parentDirectory
    // The root is where its owner said; what stands in it may have been put there by others.
    if directory != root { _ = try disk.trustedStatus(of: directory) }
    try disk.checkLinks(in: directory)
    try disk.makeDirectory(directory)
    for name in ["tmp", "new", "cur"] { try disk.makeDirectory(directory + "/" + name) }
    // By this file Maildir++ tells a folder from a root.
    let marker = directory + "/maildirfolder"
    if directory != root, try disk.status(of: marker, followingLinks: false) == nil {
      // Not through a link that somebody has just put there.
      do throws(LocalMailError) { try disk.open(marker, .createNew).close() } catch {
        guard error.isExisting else { throw error }
      }
    }
    // Also what was there: a run that was killed may have made it and not synced it.
    try disk.syncDirectory(directory)
    try disk.syncDirectory(parent)
  }

  private func makeParents(of directory: String) throws(LocalMailError) {
    let parent = directory.parentDirectory
    guard parent != "/", parent != ".", try disk.status(of: parent, followingLinks: true) == nil else { return }
    try makeParents(of: parent)
    try disk.makeDirectory(parent)
    try disk.syncDirectory(parent.parentDirectory)
  }
}
