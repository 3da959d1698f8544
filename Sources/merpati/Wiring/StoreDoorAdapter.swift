import Bytes
import LocalMail
import MailPull
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import NIOPosix

/// `store:DATA/ACCOUNT` for `pull`: an account of a Merpati store, whether its server runs or not.
struct StoreDoorAdapter: MailPull.StoreDoor {
  private let door: MerpatiServer.StoreDoor
  private let account: AccountDoor

  init(data: String, account: String) async throws {
    door = try await MerpatiServer.StoreDoor.open(directory: data)
    self.account = door.account(account)
    do {
      // An account that is not there is found out before any mail has travelled.
      _ = try await self.account.listing()
    } catch {
      await door.close()
      throw error
    }
  }

  func append(_ messages: [MailPull.StoreMessage], to mailbox: [String]) async throws -> [String] {
    let name = mailbox.joined(separator: "/")
    var receipts: [String] = []
    for group in Self.groups(messages) {
      let assigned = try await account.append(group.map(Self.appended), to: name)
      receipts += assigned.assigned.map { "\(assigned.uidValidity).\($0)" }
      // What was stored is read back: only then may the server's copy go.
      let stored = try await account.fingerprints(name, of: assigned.assigned)
      for (message, uid) in zip(group, assigned.assigned) {
        let wanted = try await Self.asStored(message.content)
        guard stored[uid] == wanted else {
          throw Refusal(
            code: .inputOutput,
            sentence: "\(name), UID \(uid): the store does not give back what was put into it; nothing is deleted")
        }
      }
    }
    return receipts
  }

  func contains(_ fingerprints: Set<Fingerprint>, in mailbox: [String]) async throws -> Set<Fingerprint>? {
    let name = mailbox.joined(separator: "/")
    var found: Set<Fingerprint> = []
    var after: UID? = 0
    while let start = after {
      let page = try await account.describe(name, after: start)
      let uids = page.messages.map(\.uid)
      found.formUnion(try await account.fingerprints(name, of: uids).values.filter(fingerprints.contains))
      after = page.next
    }
    return found
  }

  func close() async { await door.close() }

  /// Parts messages into calls that the store's bounds allow.
  private static func groups(_ messages: [MailPull.StoreMessage]) -> [ArraySlice<MailPull.StoreMessage>] {
    var groups: [ArraySlice<MailPull.StoreMessage>] = []
    var start = 0
    var octets: Int64 = 0
    for (index, message) in messages.enumerated() {
      let isFull = index - start >= ControlLimits.appendMessages
      let isLarge = octets + message.content.size > Int64(ControlLimits.appendBytes / 2)
      if index > start, isFull || isLarge {
        groups.append(messages[start..<index])
        start = index
        octets = 0
      }
      octets += message.content.size
    }
    if start < messages.count { groups.append(messages[start...]) }
    return groups
  }

  private static func appended(_ message: MailPull.StoreMessage) -> NewStoreMessage {
    let date = message.date.map { InternalDate(seconds: $0) }
    switch message.content {
    case .whole(let bytes): return NewStoreMessage(bytes, date: date)
    case .spooled(let file):
      let place = Place()
      return NewStoreMessage(date: date) {
        let offset = await place.offset
        let piece = try await NIOThreadPool.singleton.runIfActive { try file.read(at: offset) }
        await place.advance(piece?.readableBytes ?? 0)
        return piece
      }
    }
  }

  private actor Place {
    var offset: Int64 = 0
    func advance(_ octets: Int) { offset += Int64(octets) }
  }

  /// The fingerprint that the store's copy has to have: stray line ends and NULs are mapped on the way in.
  private static func asStored(_ content: HeldContent) async throws -> Fingerprint {
    try await NIOThreadPool.singleton.runIfActive {
      var normalizer = LineEndNormalizer()
      var stream = FingerprintStream()
      switch content {
      case .whole(let bytes): stream.update(normalizer.normalize(bytes))
      case .spooled(let file):
        var offset: Int64 = 0
        while let piece = try file.read(at: offset) {
          offset += Int64(piece.readableBytes)
          stream.update(normalizer.normalize(piece))
        }
      }
      var rest = ByteBuffer()
      normalizer.finish(into: &rest)
      stream.update(rest)
      return stream.finish()
    }
  }
}
