/// Changing messages, by renaming their files.
extension MaildirFolder {
  /// Renames to show these flags (new keywords get letters; beyond 26 they are left out and named in the result).
  /// Moves out of `new` into `cur`. Letters that have no name here stay. The folder is not synced: see `sync()`.
  ///
  /// What another program has changed since `entry` was listed stays, where `flags` did not mean to change it: the entry
  /// that is returned shows all.
  public func setFlags(_ flags: MaildirFlags, of entry: MaildirEntry) throws(LocalMailError) -> (
    entry: MaildirEntry, unkept: [String]
  ) {
    let (letters, unkept, names) = try keywordLetters(for: flags, and: entry)
    var shown = flags
    shown.keywords.removeAll { unkept.contains($0) }
    let changed = try following(entry) { current throws(LocalMailError) in
      let name = MaildirName(current.fileName)
      var unknown: [UInt8] = []
      if let old = name.letters { _ = MaildirFlags(letters: old, names: names, unknown: &unknown) }
      var changed = current
      changed.isNew = false
      changed.flags = shown
      var letters = letters
      if current.fileName != entry.fileName {
        changed.flags = shown.applied(to: current.flags, since: entry.flags)
        letters = changed.flags.keywords.compactMap { names.letter(of: $0) }
      }
      changed.fileName = MaildirName.compose(
        base: name.base, flags: changed.flags, keywordLetters: letters, unknown: unknown, rest: name.rest)
      if path(of: changed) != path(of: current) {
        try disk.rename(path(of: current), to: path(of: changed), replacing: false)
      }
      return changed
    }
    return (changed, unkept)
  }

  /// The file of keywords is read only where it matters.
  private func keywordLetters(
    for flags: MaildirFlags, and entry: MaildirEntry
  ) throws(LocalMailError) -> (letters: [UInt8], unkept: [String], names: KeywordNames) {
    if flags.keywords.isEmpty, entry.flags.keywords.isEmpty,
      MaildirName(entry.fileName).letters?.allSatisfy({ $0 < UInt8(ascii: "a") }) ?? true
    {
      // Another program may have given it keywords since; then they are unknown here, and stay.
      return ([], [], KeywordNames())
    }
    return try KeywordNames.letters(for: flags.keywords, in: directory, disk)
  }

  /// To another folder of the same file system, by rename; synced by `sync()` of both. Keywords get the letters of the
  /// other folder; those that find none there are missing in the result. Letters without a name stay where the other
  /// folder has no name for them either. A file name that is taken there is replaced by a new one.
  public func move(_ entry: MaildirEntry, to folder: MaildirFolder) throws(LocalMailError) -> MaildirEntry {
    let names = try KeywordNames.read(directory, disk)
    return try following(entry) { current throws(LocalMailError) in
      let name = MaildirName(current.fileName)
      var unknown: [UInt8] = []
      let flags = name.letters.map { MaildirFlags(letters: $0, names: names, unknown: &unknown) } ?? MaildirFlags()
      let (letters, unkept, targetNames) = try KeywordNames.letters(for: flags.keywords, in: folder.directory, disk)
      unknown.removeAll { targetNames.name(of: $0) != nil }
      var moved = current
      moved.flags = flags
      moved.flags.keywords.removeAll { unkept.contains($0) }
      func place(_ base: Substring) throws(LocalMailError) {
        moved.base = String(base)
        moved.fileName =
          name.letters == nil
          ? moved.base
          : MaildirName.compose(
            base: base, flags: flags, keywordLetters: letters, unknown: unknown, rest: name.rest)
        try disk.rename(path(of: current), to: folder.path(of: moved), replacing: false)
      }
      do throws(LocalMailError) { try place(name.base) } catch {
        guard error.isExisting else { throw error }
        try place(name.newBase[...])
      }
      return moved
    }
  }

  /// A message that is gone already is no error.
  public func remove(_ entry: MaildirEntry) throws(LocalMailError) {
    do throws(LocalMailError) {
      try following(entry) { current throws(LocalMailError) in try disk.unlink(path(of: current)) }
    } catch { guard error.isMissing else { throw error } }
  }

  /// Removes what others left in `tmp` more than 36 hours ago. Returns how many files.
  ///
  /// The age is that of the inode, since the modification time of a message is its INTERNALDATE.
  @discardableResult
  public func cleanTemporary() throws(LocalMailError) -> Int {
    let limit = WallClock.seconds() - LocalMailLimits.temporaryAge
    return try removeTemporary { $0.changed / 1_000_000_000 < limit }
  }

  /// Removes what an earlier run of this owner (`LandingSettings.owner`) left in `tmp`, but the files named in `keeping`
  /// (paths). Only for who knows that no other run of this owner is under way.
  @discardableResult
  public func removeTemporary(ofOwner owner: String, keeping: Set<String> = []) throws(LocalMailError) -> Int {
    let prefix = LandingSettings.temporaryPrefix(owner)
    return try removeTemporary(named: { $0.utf8.starts(with: prefix.utf8) && !keeping.contains($1) }) { _ in true }
  }

  private func removeTemporary(
    named matches: (_ name: String, _ path: String) -> Bool = { _, _ in true },
    _ isOld: (FileStatus) -> Bool
  ) throws(LocalMailError) -> Int {
    var removed = 0
    for name in try disk.list(temporaryDirectory) {
      let path = temporaryDirectory + "/" + name
      guard matches(name, path), let status = try disk.status(of: path, followingLinks: false),
        status.kind != .directory, isOld(status)
      else { continue }
      do throws(LocalMailError) {
        try disk.unlink(path)
        removed += 1
      } catch { guard error.isMissing else { throw error } }
    }
    return removed
  }
}
