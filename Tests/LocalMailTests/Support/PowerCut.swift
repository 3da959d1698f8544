import Foundation
import LocalMail
import MailTestKit

/// Names and bytes of a tree of files.
struct DiskImage: Sendable {
  struct File: Sendable, Hashable {
    var bytes: [UInt8] = []
    /// Seconds since 1970; nil: whatever.
    var time: Int64?
  }

  var directories: Set<String> = []
  var names: [String: Int] = [:]
  var files: [Int: File] = [:]

  init(of root: String) throws {
    directories.insert(root)
    let manager = FileManager.default
    for name in manager.enumerator(atPath: root).map({ $0.compactMap { $0 as? String } }) ?? [] {
      let path = root + "/" + name
      var isDirectory: ObjCBool = false
      _ = manager.fileExists(atPath: path, isDirectory: &isDirectory)
      if isDirectory.boolValue {
        directories.insert(path)
      } else {
        let file = files.count
        names[path] = file
        files[file] = File(bytes: [UInt8](try Data(contentsOf: URL(fileURLWithPath: path))))
      }
    }
  }

  /// Builds the tree anew elsewhere.
  func write(from root: String, to target: String) throws {
    func moved(_ path: String) -> String { target + path.dropFirst(root.count) }
    for directory in directories.sorted(by: { $0.utf8.count < $1.utf8.count }) where directory.hasPrefix(root) {
      try FileManager.default.createDirectory(atPath: moved(directory), withIntermediateDirectories: true)
    }
    for (path, number) in names {
      guard let file = files[number] else { continue }
      try Data(file.bytes).write(to: URL(fileURLWithPath: moved(path)))
      if let time = file.time {
        let date = Date(timeIntervalSince1970: Double(time))
        try FileManager.default.setAttributes([.modificationDate: date], ofItemAtPath: moved(path))
      }
    }
  }

  static func parent(_ path: String) -> String { String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]) }
}

/// Replays a recording as a disk with a write cache sees it: what is not synced hangs in the air.
struct PowerCut {
  enum Unsynced: Sendable, Hashable {
    case lost
    case kept
    /// Each is kept, lost, or kept in part.
    case torn(seed: UInt64)
  }

  private enum Name {
    case add(String, Int)
    case remove(String)
    case directory(String)

    var path: String {
      switch self {
      case .add(let path, _), .remove(let path), .directory(let path): path
      }
    }
  }

  private var durable: DiskImage
  /// As the programs see it.
  private var live: [String: Int]
  private var pendingNames: [Name] = []
  private var pendingChanges: [Int: [RecordingDisk.Operation]] = [:]
  private let keep: Unsynced

  init(_ start: DiskImage, _ keep: Unsynced) {
    durable = start
    live = start.names
    self.keep = keep
  }

  mutating func apply(_ operation: RecordingDisk.Operation) {
    switch operation {
    case .create(let path, let file):
      live[path] = file
      pendingNames.append(.add(path, file))
    case .rename(let path, let target):
      guard let file = live.removeValue(forKey: path) else { return }
      live[target] = file
      // Two entries in two directories, each of which may reach the disk alone.
      pendingNames += [.add(target, file), .remove(path)]
    case .link(let path, let target):
      guard let file = live[path] else { return }
      live[target] = file
      pendingNames.append(.add(target, file))
    case .unlink(let path):
      live[path] = nil
      pendingNames.append(.remove(path))
    case .makeDirectory(let path): pendingNames.append(.directory(path))
    case .write(let file, _, _), .truncate(let file, _), .time(let file, _):
      pendingChanges[file, default: []].append(operation)
    case .sync(let file, let dataOnly):
      let changes = pendingChanges.removeValue(forKey: file) ?? []
      for change in changes {
        if dataOnly, case .time = change { pendingChanges[file, default: []].append(change) } else { commit(change) }
      }
    case .syncDirectory(let path):
      for name in pendingNames where DiskImage.parent(name.path) == path { commit(name) }
      pendingNames.removeAll { DiskImage.parent($0.path) == path }
    }
  }

  mutating func finish() -> DiskImage {
    let changes = pendingChanges.sorted { $0.key < $1.key }.flatMap(\.value)
    switch keep {
    case .lost: break
    case .kept:
      for name in pendingNames { commit(name) }
      for change in changes { commit(change) }
    case .torn(let seed):
      var random = SeededRandom(seed: seed)
      for name in pendingNames where Bool.random(using: &random) { commit(name) }
      for change in changes { tear(change, &random) }
    }
    // A directory that was lost takes with it what is in it.
    durable.names = durable.names.filter { durable.directories.contains(DiskImage.parent($0.key)) }
    for file in durable.names.values where durable.files[file] == nil { durable.files[file] = DiskImage.File() }
    return durable
  }

  private mutating func commit(_ name: Name) {
    switch name {
    case .add(let path, let file): durable.names[path] = file
    case .remove(let path): durable.names[path] = nil
    case .directory(let path): durable.directories.insert(path)
    }
  }

  private mutating func commit(_ change: RecordingDisk.Operation) {
    switch change {
    case .write(let file, let offset, let bytes):
      var content = durable.files[file]?.bytes ?? []
      if content.count < offset + bytes.count {
        content += [UInt8](repeating: 0, count: offset + bytes.count - content.count)
      }
      content.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
      durable.files[file, default: DiskImage.File()].bytes = content
    case .truncate(let file, let size):
      let content = durable.files[file]?.bytes ?? []
      durable.files[file, default: DiskImage.File()].bytes =
        Array(content.prefix(size)) + [UInt8](repeating: 0, count: max(size - content.count, 0))
    case .time(let file, let time): durable.files[file, default: DiskImage.File()].time = time
    default: break
    }
  }

  private mutating func tear(_ change: RecordingDisk.Operation, _ random: inout SeededRandom) {
    guard case .write(let file, let offset, let bytes) = change else {
      if Bool.random(using: &random) { commit(change) }
      return
    }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: break
    case 1: commit(change)
    case 2: commit(.write(file, offset, Array(bytes.prefix(Int.random(in: 0...bytes.count, using: &random)))))
    default: commit(.write(file, offset, [UInt8](repeating: 0, count: bytes.count)))
    }
  }
}
