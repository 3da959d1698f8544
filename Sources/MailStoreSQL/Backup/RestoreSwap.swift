import BlobStore
import MailStore

/// Puts a restored store in the place of the old one, so that a cut at any point leaves either the one or the other.
///
///     DIR/restoring/           the new one, complete and durable before the note is written
///     DIR/restore-under-way    the note: from here on the new one counts
///     DIR/replaced-TIME/       the old one
///
/// First all of the old one is moved away, then, with the note saying so, the new one takes its place. The next opening of
/// the store finishes what was begun.
enum RestoreSwap {
  static func building(_ folder: String) -> String { "\(folder)/restoring" }
  static func note(_ folder: String) -> String { "\(folder)/restore-under-way" }

  /// Entries of a data folder that are the store. WALs go with their databases.
  private static let entries = [
    "volumes", "directory.sqlite", "directory.sqlite-wal", "directory.sqlite-shm", "marks.sqlite", "marks.sqlite-wal",
    "marks.sqlite-shm",
  ]

  private enum Phase: String {
    case movingAway = "moving the old store away"
    case movingIn = "moving the restored store in"
  }

  /// The lock of `folder` is held. `aside` is the name of a folder that is not there yet.
  static func begin(in folder: String, aside: String, files: BackupFiles) throws(StoreError) {
    try write(.movingAway, aside, folder, files)
    try finish(in: folder, files: files)
  }

  /// Nothing to do: nothing was begun.
  static func finish(in folder: String, files: BackupFiles = BackupFiles()) throws(StoreError) {
    guard FileSizes.exists(note(folder)) else { return }
    let lines = String(decoding: try BackupFiles.read(note(folder), limit: 4096), as: UTF8.self).split(separator: "\n")
    guard lines.count == 2, let phase = Phase(rawValue: String(lines[0])), lines[1].hasPrefix("replaced-"),
      !lines[1].contains("/")
    else {
      throw .database(
        message:
          "\(note(folder)) is not understood: a restore was cut here, or a newer version began one; see docs/backup.md")
    }
    let aside = "\(folder)/\(lines[1])"
    if phase == .movingAway {
      // Nothing of the new one is in place yet: what is there is old.
      try files.makeFolder(aside)
      for entry in entries where FileSizes.exists("\(folder)/\(entry)") {
        try files.move("\(folder)/\(entry)", to: "\(aside)/\(entry)")
      }
      try files.syncFolder(aside)
      try files.syncFolder(folder)
      try write(.movingIn, String(lines[1]), folder, files)
    }
    let building = building(folder)
    for entry in entries where FileSizes.exists("\(building)/\(entry)") {
      try files.move("\(building)/\(entry)", to: "\(folder)/\(entry)")
    }
    try files.syncFolder(folder)
    try files.removeTree(building)
    try files.remove(note(folder))
    try files.syncFolder(folder)
  }

  /// The old note or the new one, never half of either.
  private static func write(
    _ phase: Phase, _ aside: String, _ folder: String, _ files: BackupFiles
  ) throws(StoreError) {
    let next = "\(note(folder)).next"
    try files.write(Array("\(phase.rawValue)\n\(aside)\n".utf8), to: next)
    try files.move(next, to: note(folder))
    try files.syncFolder(folder)
  }
}
