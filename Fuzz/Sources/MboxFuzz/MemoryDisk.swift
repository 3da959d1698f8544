import FuzzKit
import LocalMail
import NIOCore
import Synchronization

/// A disk of some files in memory.
final class MemoryDisk: LocalDisk {
  private let files: Mutex<[String: MemoryBytes]>

  init(_ files: [String: ByteBuffer]) { self.files = Mutex(files.mapValues { MemoryBytes($0) }) }

  func open(_ path: String, _ mode: LocalOpenMode) throws(LocalMailError) -> any LocalFile {
    let found = files.withLock { files -> MemoryBytes? in
      if files[path] == nil, mode == .createNew || mode == .openOrCreate { files[path] = MemoryBytes() }
      return files[path]
    }
    guard let found else { throw LocalMailError(.missing, path: path) }
    return MemoryFile(path, found)
  }

  func rename(_ path: String, to target: String, replacing: Bool) throws(LocalMailError) {
    files.withLock { $0[target] = $0.removeValue(forKey: path) }
  }

  func link(_ path: String, to target: String) throws(LocalMailError) {
    files.withLock { $0[target] = $0[path] }
  }

  func unlink(_ path: String) throws(LocalMailError) { files.withLock { $0[path] = nil } }
  func makeDirectory(_ path: String) throws(LocalMailError) -> Bool { true }
  func removeDirectory(_ path: String) throws(LocalMailError) {}
  func syncDirectory(_ path: String) throws(LocalMailError) {}

  func list(_ directory: String) throws(LocalMailError) -> [String] {
    let prefix = directory + "/"
    return files.withLock { files in
      files.keys.filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
        .filter { !$0.contains("/") }
    }
  }

  func status(of path: String, followingLinks: Bool) throws(LocalMailError) -> FileStatus? {
    let found = files.withLock { $0[path] }
    if let found { return FileStatus(kind: .file, size: found.size, modified: 0, changed: 0, inode: 1) }
    let isDirectory = files.withLock { $0.keys.contains { $0.hasPrefix(path + "/") } }
    return isDirectory ? FileStatus(kind: .directory, size: 0, modified: 0, changed: 0, inode: 2) : nil
  }
}

private final class MemoryFile: LocalFile {
  let path: String
  private let bytes: MemoryBytes

  init(_ path: String, _ bytes: MemoryBytes) {
    self.path = path
    self.bytes = bytes
  }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(LocalMailError) -> Int {
    bytes.read(into: buffer, at: offset)
  }
  func pwrite(_ source: UnsafeRawBufferPointer, at offset: Int64) throws(LocalMailError) {
    bytes.write(source, at: offset)
  }
  func sync(dataOnly: Bool) throws(LocalMailError) {}
  func truncate(to size: Int64) throws(LocalMailError) { bytes.truncate(to: size) }
  func status() throws(LocalMailError) -> FileStatus {
    FileStatus(kind: .file, size: bytes.size, modified: 0, changed: 0, inode: 1)
  }
  func setModified(_ seconds: Int64) throws(LocalMailError) {}
  func startWriteback() {}
  func dropCache() {}
  func lock() throws(LocalMailError) -> Bool { true }
  func close() {}
}
