import NIOCore

/// Names and bytes of a disk. Files are buffers, since they are copied with one move even in a debug build.
struct DiskImage: Sendable {
  var directories: Set<String> = ["/"]
  var names: [String: Int] = [:]
  var files: [Int: ByteBuffer] = [:]

  static func parent(_ path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }

  mutating func apply(_ operation: RecordingFileSystem.Operation) {
    switch operation {
    case .createDirectory(let path): directories.insert(path)
    case .create(let path, let file):
      names[path] = file
      if files[file] == nil { files[file] = ByteBuffer() }
    case .write(let file, let offset, let bytes): overwrite(file, offset, bytes)
    case .truncate(let file, let size):
      extend(file, to: size)
      files[file]?.moveWriterIndex(to: size)
    case .rename(let path, let target):
      if let file = names.removeValue(forKey: path) { names[target] = file }
    case .unlink(let path): names[path] = nil
    case .sync, .syncDirectory: break
    }
  }

  private mutating func overwrite(_ file: Int, _ offset: Int, _ bytes: ByteBuffer) {
    extend(file, to: offset + bytes.readableBytes)
    files[file]?.setBuffer(bytes, at: offset)
  }

  private mutating func extend(_ file: Int, to size: Int) {
    let missing = size - (files[file]?.readableBytes ?? 0)
    if missing > 0 { files[file, default: ByteBuffer()].writeRepeatingByte(0, count: missing) }
  }
}

/// Replays a recording as a disk with a write cache sees it: what is not synced hangs in the air.
struct PowerCut {
  private var durable: DiskImage
  private var names: [(directory: String, operation: RecordingFileSystem.Operation)] = []
  private var writes: [Int: [RecordingFileSystem.Operation]] = [:]
  private let keep: RecordingFileSystem.KeepUnsynced

  init(_ start: DiskImage, _ keep: RecordingFileSystem.KeepUnsynced) {
    durable = start
    self.keep = keep
  }

  mutating func apply(_ operation: RecordingFileSystem.Operation) {
    switch operation {
    case .createDirectory(let path), .create(let path, _), .rename(let path, _), .unlink(let path):
      names.append((DiskImage.parent(path), operation))
    case .write(let file, _, _), .truncate(let file, _):
      writes[file, default: []].append(operation)
    case .sync(let file):
      for write in writes.removeValue(forKey: file) ?? [] { durable.apply(write) }
    case .syncDirectory(let path):
      for name in names where name.directory == path { durable.apply(name.operation) }
      names.removeAll { $0.directory == path }
    }
  }

  /// The power is gone; what does the disk hold?
  mutating func finish() -> DiskImage {
    switch keep {
    case .none: break
    case .all:
      for name in names { durable.apply(name.operation) }
      for file in writes.keys { for write in writes[file] ?? [] { durable.apply(write) } }
    case .torn(let seed):
      var random = SeededRandom(seed: seed)
      for name in names where Bool.random(using: &random) { durable.apply(name.operation) }
      for file in writes.keys.sorted() {
        for write in writes[file] ?? [] { tear(write, &random) }
      }
    }
    // A directory whose name was lost takes everything below with it.
    durable.names = durable.names.filter { durable.directories.contains(DiskImage.parent($0.key)) }
    for name in durable.names where durable.files[name.value] == nil {
      durable.files[name.value] = ByteBuffer()
    }
    return durable
  }

  private mutating func tear(_ operation: RecordingFileSystem.Operation, _ random: inout SeededRandom) {
    guard case .write(let file, let offset, let bytes) = operation else {
      if Bool.random(using: &random) { durable.apply(operation) }
      return
    }
    switch Int.random(in: 0..<4, using: &random) {
    case 0: break
    case 1: durable.apply(operation)
    case 2:
      let kept = Int.random(in: 0...bytes.readableBytes, using: &random)
      durable.apply(.write(file, offset, bytes.getSlice(at: bytes.readerIndex, length: kept) ?? bytes))
    default: durable.apply(.write(file, offset, ByteBuffer(repeating: 0, count: bytes.readableBytes)))
    }
  }
}
