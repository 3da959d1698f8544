import Foundation

enum Files {
  static func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }
  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
  static func rename(_ path: String, to new: String) throws {
    try FileManager.default.moveItem(atPath: path, toPath: new)
  }
  static func list(_ path: String) -> [String] { (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] }
}

extension Files {
  static func write(_ text: String, to path: String) throws {
    try text.write(toFile: path, atomically: false, encoding: .utf8)
  }
}
