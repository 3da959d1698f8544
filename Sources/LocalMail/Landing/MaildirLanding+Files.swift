import Crypto
import NIOCore

/// What runs on the worker threads.
extension MaildirLanding {
  func create() throws(LocalMailError) -> (file: any LocalFile, unique: String) {
    let unique = UniqueName.next()
    let prefix = LandingSettings.temporaryPrefix(settings.owner)
    let file = try disk.open("\(folder.temporaryDirectory)/\(prefix)\(unique)", .createNew)
    return (file, unique)
  }

  func write(_ message: IncomingMessage) throws(LocalMailError) -> StagedFile {
    let (file, unique) = try create()
    var writer = MessageFileWriter(file, converts: settings.convertsToLF)
    do throws(LocalMailError) {
      try message.bytes.withUnsafeReadableBytes { bytes throws(LocalMailError) in try writer.write(bytes) }
      return try finish(&writer, unique: unique, message: message)
    } catch {
      file.close()
      try? disk.unlink(file.path)
      throw error
    }
  }

  func finish(
    _ writer: inout MessageFileWriter, unique: String, message: IncomingMessage
  ) throws(LocalMailError) -> StagedFile {
    let result = try writer.finish()
    // Before the sync, which takes it along.
    if let date = message.date { try writer.file.setModified(date) }
    writer.file.startWriteback()
    writer.file.close()
    return StagedFile(
      temporaryPath: writer.file.path, fingerprint: result.fingerprint, fileHash: result.fileHash, size: result.size,
      wireSize: writer.wireSize, flags: message.flags, date: message.date,
      base: "\(unique),S=\(result.size),W=\(result.wireForm)", isNew: message.isNew)
  }

  /// Makes the file durable, then reads it again and compares. A write that failed after `stage` shows here, since the
  /// kernel tells it to the first who syncs; and if it did not, the comparison finds it. Returns the modification time.
  func settle(_ file: StagedFile) throws(LocalMailError) -> Int64 {
    let open = try disk.open(file.temporaryPath, .readWrite)
    defer { open.close() }
    do throws(LocalMailError) { try open.sync(dataOnly: file.date == nil) } catch {
      // The next sync might succeed because the kernel has dropped what it could not write.
      spoil(file.temporaryPath)
      throw error
    }
    return try verify(file, open)
  }

  private func verify(_ file: StagedFile, _ open: any LocalFile) throws(LocalMailError) -> Int64 {
    if settings.readsBackFromDisk { open.dropCache() }
    let status = try open.status()
    var hash = SHA256()
    if status.size == file.size { try open.forEachPiece(to: status.size) { hash.update(bufferPointer: $0) } }
    guard status.size == file.size, hash.finalBytes() == file.fileHash else {
      spoil(file.temporaryPath)
      throw LocalMailError(.differs, path: file.temporaryPath)
    }
    return status.modifiedSeconds
  }

  /// Renames and syncs the folder.
  func publish(_ files: [StagedFile], dates: [String: Int64]) throws(LocalMailError) -> [MaildirEntry] {
    let entries = try entries(files, dates)
    var renamed = 0
    do throws(LocalMailError) {
      for (file, entry) in zip(files, entries) {
        try disk.rename(file.temporaryPath, to: folder.path(of: entry), replacing: false)
        renamed += 1
      }
      for isNew in Set(entries.map(\.isNew)) {
        do throws(LocalMailError) { try disk.syncDirectory(folder.subdirectory(isNew: isNew)) } catch {
          breakDown(error)
          throw error
        }
      }
    } catch {
      // Nothing that does not count may be seen. Another program that has taken hold of a file meanwhile keeps it.
      for (file, entry) in zip(files, entries).prefix(renamed) {
        try? disk.rename(folder.path(of: entry), to: file.temporaryPath, replacing: false)
      }
      throw error
    }
    return entries
  }

  private func entries(_ files: [StagedFile], _ dates: [String: Int64]) throws(LocalMailError) -> [MaildirEntry] {
    var all: [String] = []
    for keyword in files.lazy.flatMap(\.flags.keywords) where !all.contains(keyword) { all.append(keyword) }
    // Names that the letters of the files will mean are durable before the files are.
    let names =
      all.isEmpty ? KeywordNames() : try KeywordNames.letters(for: all, in: folder.directory, disk).names
    return files.map { file in
      var flags = file.flags
      flags.keywords.removeAll { names.letter(of: $0) == nil }
      let name =
        file.isNew && flags.isEmpty
        ? file.base
        : MaildirName.compose(
          base: file.base[...], flags: flags, keywordLetters: flags.keywords.compactMap { names.letter(of: $0) })
      return MaildirEntry(
        base: file.base, fileName: name, isNew: file.isNew, flags: flags, size: file.size,
        date: file.date ?? dates[file.temporaryPath] ?? 0)
    }
  }
}
