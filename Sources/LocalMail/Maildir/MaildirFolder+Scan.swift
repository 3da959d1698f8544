/// Listing a folder that others change meanwhile.
extension MaildirFolder {
  /// All messages of `new` and `cur`; files being renamed while it looks are seen once.
  public func scan() throws(LocalMailError) -> [MaildirEntry] { try scan(withDates: true) }

  /// - Parameter withDates: false spares a stat for each file whose name tells the size; `date` is then the time of the
  ///   name, which is when the file was written.
  public func scan(withDates: Bool) throws(LocalMailError) -> [MaildirEntry] {
    let names = try KeywordNames.read(directory, disk)
    let files = try listing()
    var entries: [MaildirEntry] = []
    entries.reserveCapacity(files.count)
    for file in files.values {
      if let entry = try entry(file, names, withDates: withDates) { entries.append(entry) }
    }
    return entries
  }

  /// The message whatever its flags have become; nil if it is gone.
  public func find(base: String) throws(LocalMailError) -> MaildirEntry? {
    for _ in 0..<LocalMailLimits.renames {
      guard let file = try listing(base: base)[base] else { return nil }
      if let entry = try entry(file, try KeywordNames.read(directory, disk), withDates: true, followsRenames: false) {
        return entry
      }
    }
    return nil
  }

  /// A file as it was listed.
  struct Listed: Sendable {
    let fileName: String
    let isNew: Bool
  }

  /// Files by base. `base`: only those of this base.
  ///
  /// A directory that is read while others rename in it may show a file twice or not at all. So it is read until nothing
  /// changed meanwhile, `new` before `cur`, as files move. What one listing showed and the last one does not is looked
  /// at by its name: it is kept if it is there.
  private func listing(base: String? = nil) throws(LocalMailError) -> [String: Listed] {
    var files: [String: Listed] = [:]
    var doubles: [Listed] = []
    for _ in 0..<LocalMailLimits.listings {
      let before = (try modified(newDirectory), try modified(curDirectory))
      let (seconds, nanoseconds) = WallClock.now()
      var round: [String: Listed] = [:]
      doubles.removeAll()
      for isNew in [true, false] {
        for name in try disk.list(subdirectory(isNew: isNew)) where !name.utf8.starts(with: [.dot]) {
          if let base, !name.utf8.starts(with: base.utf8) { continue }
          let key = String(MaildirName(name).base)
          if let base, key != base { continue }
          // The later one is the newer name of a file that was renamed meanwhile, or else another file.
          if let earlier = round.updateValue(Listed(fileName: name, isNew: isNew), forKey: key) {
            doubles.append(earlier)
          }
        }
      }
      for (key, file) in files where round[key] == nil {
        let path = path(isNew: file.isNew, file.fileName)
        if try disk.status(of: path, followingLinks: false) != nil { round[key] = file }
      }
      let lost = files.keys.contains { round[$0] == nil }
      files = round
      let after = (try modified(newDirectory), try modified(curDirectory))
      let isQuiet = seconds * 1_000_000_000 + nanoseconds - max(after.0, after.1) > LocalMailLimits.listingQuiet
      if before == after, isQuiet, !lost { break }
    }
    if base == nil { for double in doubles { try separate(double, &files) } }
    return files
  }

  /// Two files of one base would be one message to everybody who goes by the base: the second gets a base of its own, as
  /// Dovecot does it too. Two names of one file come from a rename that was cut in the middle: the second is removed.
  private func separate(_ double: Listed, _ files: inout [String: Listed]) throws(LocalMailError) {
    let name = MaildirName(double.fileName)
    let path = path(isNew: double.isNew, double.fileName)
    guard let kept = files[String(name.base)], kept.fileName != double.fileName || kept.isNew != double.isNew,
      let one = try disk.status(of: path, followingLinks: false),
      let other = try disk.status(of: self.path(isNew: kept.isNew, kept.fileName), followingLinks: false)
    else { return }
    if one.inode == other.inode { return try disk.unlink(path) }
    let base = name.newBase
    let renamed = Listed(fileName: base + double.fileName.dropFirst(name.base.count), isNew: double.isNew)
    try disk.rename(path, to: self.path(isNew: renamed.isNew, renamed.fileName), replacing: false)
    files[base] = renamed
  }

  private func modified(_ path: String) throws(LocalMailError) -> Int64 {
    guard let status = try disk.status(of: path, followingLinks: true) else {
      throw LocalMailError(.missing, path: path)
    }
    return status.modified
  }

  /// Nil when the file is gone, or no file.
  private func entry(
    _ file: Listed, _ names: KeywordNames, withDates: Bool, followsRenames: Bool = true
  ) throws(LocalMailError) -> MaildirEntry? {
    let name = MaildirName(file.fileName)
    var unknown: [UInt8] = []
    let flags = name.letters.map { MaildirFlags(letters: $0, names: names, unknown: &unknown) } ?? MaildirFlags()
    var entry = MaildirEntry(
      base: String(name.base), fileName: file.fileName, isNew: file.isNew, flags: flags, size: name.size ?? 0,
      date: name.time ?? 0)
    if !withDates, name.size != nil, name.time != nil { return entry }
    guard let status = try disk.status(of: path(of: entry), followingLinks: true) else {
      // A name that is no UTF-8 cannot be opened by what the listing made of it; to leave it out would look like deletion.
      guard !file.fileName.unicodeScalars.contains("\u{FFFD}") else {
        throw LocalMailError(.malformed("the name is not UTF-8; rename the file"), path: path(of: entry))
      }
      return followsRenames ? try find(base: entry.base) : nil
    }
    guard status.kind == .file else { return nil }
    if name.size == nil { entry.size = status.size }
    entry.date = status.modifiedSeconds
    return entry
  }
}
