import LocalMail
import MailStore
public import NIOPosix

/// A folder of mbox files: the mailbox `Work/Bills` is `Work/Bills.mbox`. Flags, keywords, UIDs and UIDLs stand in header
/// lines before each message (`Status:`, `X-UID:`…), which reading programs know and which an import takes off again.
public final class MboxTarget: ExportTarget {
  private let root: String
  private let threads: NIOThreadPool

  public init(_ root: String, threads: NIOThreadPool) {
    self.root = root
    self.threads = threads
  }

  public func open(_ mailbox: StoreMailbox) async throws -> any ExportMailbox {
    // No level leads out of the folder: none holds a `/`.
    let levels = StoreNames.path(mailbox.name).map { $0 == "." || $0 == ".." ? "_" : $0 }
    let path = root + "/" + levels.joined(separator: "/") + ".mbox"
    guard levels.allSatisfy({ $0.utf8.count + 5 <= LocalMailLimits.fileName }) else {
      throw MailboxProblem(description: "\(path): the name is too long for a file")
    }
    let folders = root + "/" + levels.dropLast().joined(separator: "/")
    let writer = MboxWriter(path: path, settings: Self.settings)
    let written = try await threads.runIfActive {
      let disk = PosixDisk()
      var folder = folders.hasPrefix("/") ? "" : "."
      for level in folders.split(separator: "/") {
        folder += "/\(level)"
        _ = try disk.makeDirectory(folder)
      }
      return try Self.messages(of: writer)
    }
    return MboxExportFile(writer, written, threads: threads)
  }

  public func finish(_ listing: StoreListing, names: [String]) async throws {}

  /// What an earlier run has written.
  static func messages(of writer: MboxWriter) throws(LocalMailError) -> [MboxExportFile.Written] {
    guard try writer.length() > 0 else { return [] }
    let reader = try MboxReader(path: writer.path, settings: readSettings)
    var result: [MboxExportFile.Written] = []
    while let entry = try reader.next() {
      let fingerprint = try reader.fingerprint(of: entry)
      result.append(
        MboxExportFile.Written(uid: entry.status.uid, offset: entry.offset, fingerprint: fingerprint))
    }
    return result
  }

  private static var settings: MboxWriteSettings {
    var settings = MboxWriteSettings()
    settings.writesStatus = true
    return settings
  }

  private static var readSettings: MboxReadSettings {
    var settings = MboxReadSettings()
    settings.stripsStatus = true
    return settings
  }
}
