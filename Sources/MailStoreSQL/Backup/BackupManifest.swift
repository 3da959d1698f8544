import Foundation
import MailStore

/// What a generation consists of (`manifest.json`). Files are named relative to the generation's folder.
public struct BackupManifest: Codable, Sendable, Hashable {
  public struct File: Codable, Sendable, Hashable {
    public var name: String
    public var octets: Int64
    public var sha256: String
  }

  /// A pack, in one or more files that follow each other.
  public struct Pack: Codable, Sendable, Hashable {
    public var number: Int64
    public var segments: [File]
    public var octets: Int64 { segments.reduce(0) { $0 + $1.octets } }
  }

  static let currentFormat = 1

  public var format = currentFormat
  /// Whose marks know of it (see `BackupSnapshot`).
  public var store: Int64
  public var epoch: Int64
  /// The moment of the copy, seconds since 1970.
  public var taken: Int64
  public var accounts: Int
  public var messages: Int
  public var mail: File
  public var directory: File
  public var packs: [Pack]
  /// Damage in the store, found while it was copied: one sentence each. Everything else of the generation is good.
  public var problems: [String]

  var files: [File] { [mail, directory] + packs.flatMap(\.segments) }
  public var octets: Int64 { files.reduce(0) { $0 + $1.octets } }

  static let name = "manifest.json"
  static let sumsName = "SHA256SUMS"

  func encoded() throws(StoreError) -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do { return Array(try encoder.encode(self)) + [0x0A] } catch {
      throw .database(message: "the manifest cannot be written: \(error)")
    }
  }

  /// In the form of sha256sum(1), the manifest included: `sha256sum -c SHA256SUMS` verifies a generation as well.
  func sums(manifest: [UInt8]) -> [UInt8] {
    var text = "\(BackupFiles.sha256(of: manifest))  \(Self.name)\n"
    for file in files { text += "\(file.sha256)  \(file.name)\n" }
    return Array(text.utf8)
  }

  /// Reads and checks the manifest of a generation; with `sizes` also that every file is there with its size.
  static func read(_ folder: String, sizes: Bool = true) throws(StoreError) -> BackupManifest {
    let path = "\(folder)/\(name)"
    let bytes = try BackupFiles.read(path, limit: BackupLimits.manifest)
    let sums = try BackupFiles.read("\(folder)/\(sumsName)", limit: BackupLimits.manifest)
    guard sums.starts(with: Array("\(BackupFiles.sha256(of: bytes))  \(name)\n".utf8)) else {
      throw .corrupt(what: "\(path): it is not the manifest that \(sumsName) knows")
    }
    let manifest: BackupManifest
    do { manifest = try JSONDecoder().decode(BackupManifest.self, from: Data(bytes)) } catch {
      throw .corrupt(what: "\(path): \(error)")
    }
    guard manifest.format == currentFormat else {
      throw .database(message: "\(path): format \(manifest.format) is of another version of this program")
    }
    for file in manifest.files {
      // Names come from a file: none may lead out of the generation.
      guard !file.name.hasPrefix("/"), !file.name.split(separator: "/").contains("..") else {
        throw .corrupt(what: "\(path): \(file.name) is no name of a backup")
      }
      guard sizes else { continue }
      let size = FileSizes.of("\(folder)/\(file.name)")
      guard size == file.octets, FileSizes.exists("\(folder)/\(file.name)") else {
        throw .corrupt(what: "\(folder)/\(file.name): \(size) octets, and it must have \(file.octets)")
      }
    }
    return manifest
  }
}
