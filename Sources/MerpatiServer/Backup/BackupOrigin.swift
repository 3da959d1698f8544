import MailStore
import MailStoreSQL
import MailTransfer
import NIOCore
import NIOPosix

/// One account of a backup as a source of an import.
final class BackupOrigin: ImportOrigin {
  let name: String
  private let reader: BackupReader
  private let threads: NIOThreadPool
  /// Numbers by name.
  private var numbers: [String: Int64] = [:]

  init(_ reader: BackupReader, name: String, threads: NIOThreadPool) {
    self.reader = reader
    self.name = name
    self.threads = threads
  }

  func mailboxes() async throws -> [OriginMailbox] {
    let reader = reader
    let boxes = try await threads.runIfActive { try reader.mailboxes().mailboxes }
    numbers = Dictionary(boxes.map { ($0.name, $0.id) }) { $1 }
    return boxes.filter(\.isSelectable).map { box in
      OriginMailbox(
        name: box.name, path: [box.name], isSubscribed: box.isSubscribed, specialUse: box.specialUse,
        messages: box.messages)
    }
  }

  func list(_ mailbox: OriginMailbox) async throws -> OriginListing {
    guard let number = numbers[mailbox.name] else { return OriginListing(messages: []) }
    let reader = reader
    let messages = try await threads.runIfActive { try reader.messages(number) }
    return OriginListing(
      messages: messages.map { message in
        OriginMessage(
          key: "\(message.uid)", uid: message.uid, uidl: message.uidl, flags: message.flags, keywords: message.keywords,
          date: message.date, size: message.size)
      })
  }

  func bodies(
    _ messages: [OriginMessage], of mailbox: OriginMailbox, _ handle: (Int, OriginBody) async throws -> Void
  ) async throws {
    guard let number = numbers[mailbox.name] else { return }
    let reader = reader
    let threads = threads
    for (index, message) in messages.enumerated() {
      guard let uid = message.uid else { continue }
      let body: BackupReader.Body
      do { body = try await threads.runIfActive { try reader.body(uid, in: number) } } catch let error as StoreError {
        guard case .corrupt(let what) = error else { throw error }
        try await handle(index, .unreadable(what))
        continue
      }
      switch body {
      case .whole(let bytes): try await handle(index, .whole(bytes))
      case .large(let large):
        try await handle(
          index,
          .large {
            var offset = 0
            return {
              let at = offset
              let piece = try await threads.runIfActive { try large.piece(at: at) }
              offset += piece.readableBytes
              return piece.readableBytes > 0 ? piece : nil
            }
          })
      }
    }
  }
}
