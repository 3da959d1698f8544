import Foundation
import GRDB
import LocalMail
import NIOCore

/// GRDB takes and gives blobs as `Data`.
enum Blob {
  static func value(_ bytes: [UInt8]) -> Data { Data(bytes) }
  static func value(_ bytes: ByteBuffer) -> Data { Data(bytes.readableBytesView) }
  static func buffer(_ row: Row, _ column: String) -> ByteBuffer { ByteBuffer(bytes: bytes(row, column)) }
  static func bytes(_ row: Row, _ column: String) -> [UInt8] { Array((row[column] as Data?) ?? Data()) }
}

extension Blob {
  static func fingerprint(_ row: Row) -> Fingerprint? {
    (row["fingerprint"] as Data?).map { Fingerprint(bytes: Array($0)) }
  }
}
