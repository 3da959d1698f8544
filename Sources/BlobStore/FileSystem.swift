public import NIOCore

/// How a file is opened.
public enum OpenMode: Sendable, Hashable {
  case read
  case readWrite
  /// Reading and writing; the file must not exist yet.
  case createNew
}

/// The seam between packs and the disk: every file call of packs and spools goes through it, so that tests can record,
/// drop, tear and replay them.
///
/// All calls block. Names in a directory are durable only after `syncDirectory`, bytes only after
/// `FileHandle.fdatasync`.
public protocol FileSystem: Sendable {
  func open(_ path: String, _ mode: OpenMode) throws(BlobError) -> any FileHandle
  /// Replaces `target` if it exists.
  func rename(_ path: String, to target: String) throws(BlobError)
  func unlink(_ path: String) throws(BlobError)
  func syncDirectory(_ path: String) throws(BlobError)
  /// Names of the files in a directory, in no order, without `.` and `..`.
  func list(_ directory: String) throws(BlobError) -> [String]
  /// False if it was there already. Parents must exist.
  func createDirectory(_ path: String) throws(BlobError) -> Bool
  /// The size of a file in bytes, nil if there is none.
  func size(of path: String) throws(BlobError) -> Int64?
}

/// An open file. Calls are safe from any thread; writers at overlapping offsets must order themselves. It closes itself
/// when it is let go.
///
/// Once `fdatasync` has failed the kernel may have dropped the pages it could not write and call the next one a
/// success. Therefore the handle is poisoned: every later write, truncation and sync fails. Reading goes on, since
/// everything that is read carries its own checksum.
public protocol FileHandle: AnyObject, Sendable {
  var path: String { get }
  /// Fills `buffer` from `offset`; returns fewer bytes than asked only at the end of the file.
  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(BlobError) -> Int
  /// Writes all of it.
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(BlobError)
  /// Writes the readable bytes of all `buffers` one after the other, with as few system calls as possible.
  func pwritev(_ buffers: [ByteBuffer], at offset: Int64) throws(BlobError)
  /// A hint: these bytes are going to be synced soon, so the disk may begin with them. Promises nothing, never fails.
  func startWriting(at offset: Int64, count: Int64)
  /// The bytes and the size that is needed to read them are on the disk when it returns.
  func fdatasync() throws(BlobError)
  func truncate(to size: Int64) throws(BlobError)
  func size() throws(BlobError) -> Int64
  /// The first `size` bytes, read-only, good while the mapping is kept. `size` must not be beyond the end of the file.
  func map(size: Int) throws(BlobError) -> any FileMapping
  /// Idempotent; everything after it fails.
  func close()
}

extension FileHandle {
  public func startWriting(at offset: Int64, count: Int64) {}
}

/// Bytes of a file in memory.
public protocol FileMapping: AnyObject, Sendable {
  /// Good while the mapping is kept.
  var bytes: UnsafeRawBufferPointer { get }
  /// Lets go of the pages in memory; the bytes come from the file again where they are looked at.
  func forget()
}
