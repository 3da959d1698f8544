import BlobStore
import NIOCore
import Synchronization

final class RecordingFileHandle: FileHandle {
  let path: String
  private let fileSystem: RecordingFileSystem
  private let file: Int
  private let isWritable: Bool
  private let isClosed = Atomic(false)
  private let isPoisoned = Atomic(false)

  init(_ fileSystem: RecordingFileSystem, _ file: Int, path: String, isWritable: Bool) {
    self.fileSystem = fileSystem
    self.file = file
    self.path = path
    self.isWritable = isWritable
  }

  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int {
    try check("read", writing: false)
    let contents = try fileSystem.enter(.read, path) { $0.image.files[file] ?? ByteBuffer() }
    fileSystem.note(transfer: buffer.count)
    return contents.withUnsafeReadableBytes { bytes in
      let count = max(0, min(buffer.count, bytes.count - Int(offset)))
      guard count > 0 else { return 0 }
      buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[Int(offset)..<Int(offset) + count]))
      return count
    }
  }

  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError) {
    try check("write", writing: true)
    fileSystem.note(transfer: bytes.count)
    try fileSystem.write(file, path, ByteBuffer(bytes: bytes), at: Int(offset))
  }

  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError) {
    try check("write", writing: true)
    var bytes = ByteBuffer()
    for buffer in buffers { bytes.writeImmutableBuffer(buffer) }
    fileSystem.note(transfer: bytes.readableBytes)
    try fileSystem.write(file, path, bytes, at: Int(offset))
  }

  func fdatasync() throws(BlobError) {
    try check("sync", writing: true)
    do throws(BlobError) {
      try fileSystem.enter(.sync, path) { state throws(BlobError) in
        if !state.drops(.sync) { state.log.append(.sync(file)) }
      }
    } catch {
      isPoisoned.store(true, ordering: .sequentiallyConsistent)
      throw error
    }
  }

  func truncate(to size: Int64) throws(BlobError) {
    try check("truncate", writing: true)
    try fileSystem.enter(.truncate, path) { state throws(BlobError) in
      let operation = RecordingFileSystem.Operation.truncate(file, Int(size))
      state.image.apply(operation)
      state.log.append(operation)
    }
  }

  func size() throws(BlobError) -> Int64 {
    try check("stat", writing: false)
    return try fileSystem.enter(.read, path) { Int64($0.image.files[file]?.readableBytes ?? 0) }
  }

  func map(size: Int) throws(BlobError) -> any FileMapping {
    try check("map", writing: false)
    let bytes = try fileSystem.enter(.map, path) { $0.image.files[file] ?? ByteBuffer() }
    fileSystem.note(transfer: size)
    guard let mapped = bytes.getSlice(at: bytes.readerIndex, length: size) else {
      throw .io(operation: "map", path: path, errno: 22)
    }
    return CopiedMapping(mapped)
  }

  func close() { isClosed.store(true, ordering: .sequentiallyConsistent) }

  private func check(_ operation: String, writing: Bool) throws(BlobError) {
    if isClosed.load(ordering: .relaxed) { throw .io(operation: operation, path: path, errno: 9) }
    guard writing else { return }
    if !isWritable { throw .io(operation: operation, path: path, errno: 9) }
    if isPoisoned.load(ordering: .relaxed) { throw .io(operation: operation, path: path, errno: 5) }
  }
}

/// `@unchecked Sendable`: the memory is written once, before anybody else has the object.
private final class CopiedMapping: FileMapping, @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer

  init(_ contents: ByteBuffer) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: contents.readableBytes, alignment: 16)
    contents.withUnsafeReadableBytes { copy.copyMemory(from: $0) }
    bytes = UnsafeRawBufferPointer(copy)
  }

  func forget() {}

  deinit { bytes.deallocate() }
}
