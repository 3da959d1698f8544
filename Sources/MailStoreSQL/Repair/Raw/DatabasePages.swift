import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The pages of an SQLite file as the last commit left them, read without SQLite, which refuses a file whose first page
/// is damaged and stops at any other that is. What the WAL has committed lies over the file's own pages.
///
/// Format: sqlite.org/fileformat2.html.
final class DatabasePages {
  let pageSize: Int
  /// Octets of a page that b-trees use.
  let usable: Int
  /// Pages of the database, those that a truncated file no longer has included.
  let count: Int
  /// Why the WAL was not used, if there is one and it was not.
  let walProblem: String?
  /// False: the header at the beginning of the file is none.
  let hasHeader: Bool
  private let file: Int32
  private let fileSize: Int64
  private let wal: WriteAheadLog?

  /// Nil: there is no such file, or it is empty.
  init?(path: String) throws(StoreError) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      if errno == ENOENT { return nil }
      throw .io(operation: "open", path: path, errno: errno)
    }
    file = descriptor
    fileSize = Int64(lseek(descriptor, 0, SEEK_END))
    var header = [UInt8](repeating: 0, count: 100)
    let got = Self.read(descriptor, &header, at: 0)
    wal = WriteAheadLog.open("\(path)-wal")
    walProblem = wal == nil && FileSizes.of("\(path)-wal") > 0 ? "\(path)-wal is damaged and was not used" : nil
    let magic = Array("SQLite format 3\u{0}".utf8)
    let raw = Int(header[16]) << 8 | Int(header[17])
    let size = raw == 1 ? 65_536 : raw
    hasHeader = got == 100 && Array(header[..<16]) == magic && size >= 512 && size & (size - 1) == 0
    pageSize = wal?.pageSize ?? (hasHeader ? size : SQLTuning.pageSize)
    // Nobody but us makes these files, and we keep no bytes back.
    usable = pageSize
    let inFile = Int((fileSize + Int64(pageSize) - 1) / Int64(pageSize))
    // A file that was cut off knows how long it was; a number that cannot be is none.
    let declared = Int(header.bigEndian32(28))
    let isCurrent = hasHeader && declared > 0 && header[24..<28] == header[92..<96] && declared <= 2 * inFile + 1000
    count = wal?.pages ?? (isCurrent ? declared : inFile)
    if count == 0 {
      _ = close(descriptor)
      return nil
    }
  }

  deinit { _ = close(file) }

  private static func read(_ file: Int32, _ buffer: inout [UInt8], at offset: Int64) -> Int {
    var done = 0
    while done < buffer.count {
      let wanted = buffer.count - done
      let got = buffer.withUnsafeMutableBytes {
        pread(file, $0.baseAddress.map { $0 + done }, wanted, off_t(offset) + off_t(done))
      }
      if got < 0, errno == EINTR { continue }
      // The end, or octets that the disk does not give back: what is missing reads as zeros, which is no page.
      guard got > 0 else { break }
      done += got
    }
    return done
  }

  /// Page `number`, counted from 1; zeros where there is nothing to read.
  func page(_ number: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: pageSize)
    guard number >= 1, number <= count else { return bytes }
    if let wal, wal.read(number, &bytes) { return bytes }
    _ = Self.read(file, &bytes, at: Int64(number - 1) * Int64(pageSize))
    return bytes
  }

  /// Pages that say where others belong, and the one around the lock bytes: they hold no rows.
  func isBookkeeping(_ number: Int) -> Bool {
    let pending = 0x4000_0000 / pageSize + 1
    if number == pending { return true }
    guard number >= 2 else { return false }
    let group = usable / 5 + 1
    var map = (number - 2) / group * group + 2
    if map == pending { map += 1 }
    return number == map
  }

  /// Pages of the free list, as far as it can be followed.
  func freePages() -> Set<Int> {
    var free: Set<Int> = []
    let first = page(1)
    guard first.count >= 100 else { return [] }
    var trunk = Int(first.bigEndian32(32))
    while trunk > 1, trunk <= count, free.insert(trunk).inserted {
      let bytes = page(trunk)
      let leaves = Int(bytes.bigEndian32(4))
      guard leaves <= usable / 4 - 2 else { break }
      for index in 0..<leaves {
        let leaf = Int(bytes.bigEndian32(8 + 4 * index))
        if leaf > 1, leaf <= count { free.insert(leaf) }
      }
      trunk = Int(bytes.bigEndian32(0))
    }
    return free
  }
}

/// `open` of the system, which methods of the same name hide.
private func systemOpen(_ path: String) -> Int32 { open(path, O_RDONLY | O_CLOEXEC) }

extension Array where Element == UInt8 {
  func bigEndian16(_ offset: Int) -> Int { Int(self[offset]) << 8 | Int(self[offset + 1]) }

  func bigEndian32(_ offset: Int) -> UInt32 {
    UInt32(self[offset]) << 24 | UInt32(self[offset + 1]) << 16 | UInt32(self[offset + 2]) << 8
      | UInt32(self[offset + 3])
  }
}

/// The committed frames of a `-wal` file.
final class WriteAheadLog {
  let pageSize: Int
  /// Pages of the database after the last commit.
  private(set) var pages = 0
  private let file: Int32
  /// Where the newest committed version of a page lies.
  private var places: [Int: Int64] = [:]

  private init(file: Int32, pageSize: Int) {
    self.file = file
    self.pageSize = pageSize
  }

  deinit { _ = close(file) }

  /// Nil: there is none, or not one commit in it can be trusted.
  static func open(_ path: String) -> WriteAheadLog? {
    let descriptor = systemOpen(path)
    guard descriptor >= 0 else { return nil }
    var header = [UInt8](repeating: 0, count: 32)
    let isWhole = read(descriptor, &header, at: 0) == 32 && header.bigEndian32(0) & ~1 == 0x377F_0682
    let size = Int(header.bigEndian32(8))
    var sum = WALChecksum(isBigEndian: header.bigEndian32(0) & 1 == 1)
    sum.add(header[0..<24])
    guard isWhole, (512...65_536).contains(size), size & (size - 1) == 0,
      sum.first == header.bigEndian32(24), sum.second == header.bigEndian32(28)
    else {
      _ = close(descriptor)
      return nil
    }
    let log = WriteAheadLog(file: descriptor, pageSize: size)
    log.follow(header, &sum)
    return log.pages == 0 ? nil : log
  }

  private func follow(_ header: [UInt8], _ sum: inout WALChecksum) {
    var uncommitted: [Int: Int64] = [:]
    var offset: Int64 = 32
    var frame = [UInt8](repeating: 0, count: 24 + pageSize)
    while Self.read(file, &frame, at: offset) == frame.count {
      // Frames of an earlier round of the log have other salts.
      guard frame[8..<16] == header[16..<24] else { return }
      sum.add(frame[0..<8])
      sum.add(frame[24...])
      guard sum.first == frame.bigEndian32(16), sum.second == frame.bigEndian32(20) else { return }
      uncommitted[Int(frame.bigEndian32(0))] = offset + 24
      let size = Int(frame.bigEndian32(4))
      if size > 0 {
        places.merge(uncommitted) { $1 }
        uncommitted.removeAll(keepingCapacity: true)
        pages = size
      }
      offset += Int64(frame.count)
    }
  }

  private static func read(_ file: Int32, _ buffer: inout [UInt8], at offset: Int64) -> Int {
    max(0, buffer.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(offset)) })
  }

  /// False: the log does not have the page.
  func read(_ page: Int, _ bytes: inout [UInt8]) -> Bool {
    guard let place = places[page], bytes.count == pageSize else { return false }
    return Self.read(file, &bytes, at: place) == pageSize
  }
}

/// The running sum over header and frames of a WAL.
private struct WALChecksum {
  let isBigEndian: Bool
  var first: UInt32 = 0
  var second: UInt32 = 0

  init(isBigEndian: Bool) { self.isBigEndian = isBigEndian }

  mutating func add(_ bytes: ArraySlice<UInt8>) {
    bytes.withUnsafeBytes { bytes in
      var offset = 0
      while offset + 8 <= bytes.count {
        let one = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
        let two = bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
        first &+= (isBigEndian ? UInt32(bigEndian: one) : UInt32(littleEndian: one)) &+ second
        second &+= (isBigEndian ? UInt32(bigEndian: two) : UInt32(littleEndian: two)) &+ first
        offset += 8
      }
    }
  }
}
