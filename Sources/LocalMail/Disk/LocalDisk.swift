/// How a file is opened.
public enum LocalOpenMode: Sendable, Hashable {
  case read
  /// The file must be there.
  case readWrite
  /// The file must not be there.
  case createNew
  case openOrCreate
}

/// What the file system says about a name.
public struct FileStatus: Sendable, Hashable {
  public enum Kind: Sendable, Hashable { case file, directory, link, other }
  public var kind: Kind
  /// Octets.
  public var size: Int64
  /// Modification, nanoseconds since 1970.
  public var modified: Int64
  /// Change of the inode, nanoseconds since 1970: nobody can set it back.
  public var changed: Int64
  public var inode: UInt64
  /// The number of the user.
  public var owner: UInt32

  public init(kind: Kind, size: Int64, modified: Int64, changed: Int64, inode: UInt64, owner: UInt32 = 0) {
    self.owner = owner
    self.kind = kind
    self.size = size
    self.modified = modified
    self.changed = changed
    self.inode = inode
  }

  /// Modification, seconds since 1970, rounded down.
  public var modifiedSeconds: Int64 {
    let (seconds, rest) = modified.quotientAndRemainder(dividingBy: 1_000_000_000)
    return rest < 0 ? seconds - 1 : seconds
  }
}

/// The seam between mail files and the disk: every file call of this room goes through it, so that tests can record them,
/// let them fail and cut the power between them.
///
/// All calls block. A name is durable after `syncDirectory` of its directory, bytes after `LocalFile.sync`. A call on a
/// name that is not there throws `.missing`, one that finds a name taken `.exists`, all else `.io`.
public protocol LocalDisk: Sendable {
  func open(_ path: String, _ mode: LocalOpenMode) throws(LocalMailError) -> any LocalFile
  /// `replacing` false: throws `.exists` when `target` is there, and leaves both as they are.
  func rename(_ path: String, to target: String, replacing: Bool) throws(LocalMailError)
  func link(_ path: String, to target: String) throws(LocalMailError)
  func unlink(_ path: String) throws(LocalMailError)
  /// False if it was there already. Parents must exist.
  @discardableResult
  func makeDirectory(_ path: String) throws(LocalMailError) -> Bool
  /// The directory must be empty.
  func removeDirectory(_ path: String) throws(LocalMailError)
  func syncDirectory(_ path: String) throws(LocalMailError)
  /// Names in a directory, in no order, without `.` and `..`.
  func list(_ directory: String) throws(LocalMailError) -> [String]
  /// Nil if there is nothing of that name.
  func status(of path: String, followingLinks: Bool) throws(LocalMailError) -> FileStatus?
}

/// An open file; closes itself when it is let go.
///
/// Once `sync` has failed the kernel may have dropped the pages it could not write and call the next sync a success.
/// Therefore the file is poisoned: every later write and sync through it fails.
public protocol LocalFile: AnyObject, Sendable {
  var path: String { get }
  /// Fills `buffer` from `offset`; fewer bytes than asked only at the end of the file.
  func pread(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(LocalMailError) -> Int
  /// Writes all of it.
  func pwrite(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(LocalMailError)
  /// The bytes are on the disk when it returns; times and mode as well unless `dataOnly`.
  func sync(dataOnly: Bool) throws(LocalMailError)
  func truncate(to size: Int64) throws(LocalMailError)
  func status() throws(LocalMailError) -> FileStatus
  /// Sets the modification time, seconds since 1970; the time of access stays.
  func setModified(_ seconds: Int64) throws(LocalMailError)
  /// A hint: the kernel begins to write what is not on the disk yet, so that the sync later has less to do.
  func startWriteback()
  /// A hint: clean pages are dropped, so that the next read comes from the disk.
  func dropCache()
  /// Locks the whole file for writing against other processes, until it is closed. False: another one holds it.
  func lock() throws(LocalMailError) -> Bool
  /// Idempotent; everything after it fails.
  func close()
}
