import Foundation
import LocalMail
import MailStore
import MailTransfer
import MerpatiServer
import NIOCore
import NIOPosix
import Synchronization

/// A store with the accounts `ana` and `budi`, and a folder beside it. Gone with the object.
final class TransferBed: Sendable {
  let path: String
  let door: StoreDoor

  init() async throws {
    path = FileManager.default.temporaryDirectory.path + "/merpati-transfer-\(UUID().uuidString.prefix(8))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    for name in ["ana", "budi"] {
      let request = ControlRequest.accountAdd(name: name, password: "secret", settings: AccountSettings())
      _ = try await DataFolder.call(request, in: path + "/data")
    }
    door = try await StoreDoor.open(directory: path + "/data")
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  var ana: AccountDoor { door.account("ana") }
  var budi: AccountDoor { door.account("budi") }
  var maildir: String { path + "/Maildir" }

  /// Asked of the folder itself, with the door closed for the moment.
  func check() async throws -> [String] {
    await door.close()
    return try await DataFolder.call(.check, in: path + "/data").check?.problems ?? ["no answer"]
  }
}

func withBed(_ body: (TransferBed) async throws -> Void) async throws {
  let bed = try await TransferBed()
  do { try await body(bed) } catch {
    await bed.door.close()
    throw error
  }
  let problems = try await bed.check()
  if !problems.isEmpty { throw StoreError.corrupt(what: problems.joined(separator: "; ")) }
}

let threads = NIOThreadPool.singleton

/// Files as Dovecot leaves them, written without the code under test.
struct Fixture {
  let root: String

  @discardableResult
  func folder(_ name: String = "") throws -> String {
    let folder = name.isEmpty ? root : "\(root)/\(name)"
    for part in ["cur", "new", "tmp"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(part)", withIntermediateDirectories: true)
    }
    return folder
  }

  func file(_ path: String, _ text: String, date: Int64? = nil) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(root)/\(path)"))
    guard let date else { return }
    let attributes: [FileAttributeKey: Any] = [.modificationDate: Date(timeIntervalSince1970: TimeInterval(date))]
    try FileManager.default.setAttributes(attributes, ofItemAtPath: "\(root)/\(path)")
  }

  func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: "\(root)/\(path)") }

  func read(_ path: String) throws -> String { try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) }

  /// INBOX with UIDs 3, 7, 8 and one message that Dovecot has not seen, and the folder `Kerja/Tagihan & Co`.
  func dovecot() throws {
    try folder()
    try file("cur/1000.M1P1.host,S=60:2,RSa", mail("three"), date: 1_000_000_003)
    try file("cur/1000.M2P1.host:2,Fb", mail("seven"), date: 1_000_000_007)
    try file("new/1000.M3P1.host", mail("eight"), date: 1_000_000_008)
    try file("new/2000.M1P1.host", mail("late"), date: 1_000_000_100)
    try file(
      "dovecot-uidlist",
      """
      3 V1234567890 N20 Gabcdef0123456789abcdef0123456789
      3 Pold-uidl-3 :1000.M1P1.host,S=60
      7 :1000.M2P1.host
      8 G0a0b :1000.M3P1.host

      """)
    try file("dovecot-keywords", "0 $Penting\n1 NonJunk\n")
    try file("subscriptions", "V\t2\n\nINBOX\nKerja\tTagihan &- Co\n")
    try folder(".Kerja.Tagihan &- Co")
    try file(".Kerja.Tagihan &- Co/cur/1.M1P1.host:2,ST", mail("bill"), date: 900_000_000)
    try file(".Kerja.Tagihan &- Co/dovecot-uidlist", "3 V77 N6 G00\n5 :1.M1P1.host\n")
  }
}

func mail(_ subject: String, octets: Int = 0) -> String {
  var text = "From: Ana <ana@example.org>\nSubject: \(subject)\n\nGood day.\nFrom here on.\n"
  var line = 0
  while text.utf8.count < octets {
    text += "\(subject) \(line &* 7919) \(line)\n"
    line += 1
  }
  return text
}

extension String {
  /// As it is in the store.
  var wire: String { replacingOccurrences(of: "\n", with: "\r\n") }
}

extension ExportSource {
  func all(_ mailbox: String) async throws -> [StoreMessage] {
    var result: [StoreMessage] = []
    var after: UID? = 0
    while let from = after {
      let page = try await describe(mailbox, after: from)
      result += page.messages
      after = page.next
    }
    return result
  }

  func mailbox(_ name: String) async throws -> StoreMailbox? {
    try await listing().mailboxes.first { $0.name == name }
  }

  /// Bytes by UID.
  func texts(_ mailbox: String) async throws -> [UID: String] {
    var result: [UID: String] = [:]
    var current: (uid: UID, bytes: ByteBuffer)?
    try await read(mailbox, try await all(mailbox).map(\.uid)) { event in
      switch event {
      case .begin(let uid, _): current = (uid, ByteBuffer())
      case .piece(let bytes): current?.bytes.writeImmutableBuffer(bytes)
      case .end: if let (uid, bytes) = current { result[uid] = String(buffer: bytes) }
      case .damaged: current = nil
      }
    }
    return result
  }
}

/// An account whose store fails, or does something else, at the nth append.
final class TrickyDestination: ImportDestination {
  struct Failure: Error {}
  enum Trick: Sendable {
    case failBefore
    /// The messages are stored, and the answer is lost.
    case failAfter
    case deliver(NewMail)
    /// At every append: messages with this UIDL are refused.
    case refuse(uidl: String, StoreError)
  }
  /// A message that comes in by itself.
  struct NewMail: Sendable {
    var text: String
    var date: Int64
  }

  private let door: AccountDoor
  private let trick: Trick
  private let left: Mutex<Int>

  /// `at`: which append the trick is for.
  init(_ door: AccountDoor, _ trick: Trick, at: Int) {
    self.door = door
    self.trick = trick
    left = Mutex(at)
  }

  func append(_ messages: [NewStoreMessage], to mailbox: String) async throws -> AssignedUIDs {
    if case .refuse(let uidl, let error) = trick, messages.contains(where: { $0.uidl == uidl }) { throw error }
    let isNow = left.withLock { left in
      left -= 1
      return left == 0
    }
    guard isNow else { return try await door.append(messages, to: mailbox) }
    switch trick {
    case .failBefore: throw Failure()
    case .refuse: return try await door.append(messages, to: mailbox)
    case .failAfter:
      _ = try await door.append(messages, to: mailbox)
      throw Failure()
    case .deliver(let mail):
      let message = NewStoreMessage(ByteBuffer(string: mail.text), date: InternalDate(seconds: mail.date))
      _ = try await door.append([message], to: mailbox)
      return try await door.append(messages, to: mailbox)
    }
  }

  func listing() async throws -> StoreListing { try await door.listing() }
  func describe(_ mailbox: String, after: UID) async throws -> StorePage {
    try await door.describe(mailbox, after: after)
  }
  func fingerprints(_ mailbox: String, of uids: [UID]) async throws -> [UID: Fingerprint] {
    try await door.fingerprints(mailbox, of: uids)
  }
  func read(_ mailbox: String, _ uids: [UID], _ handle: (StoreReadEvent) async throws -> Void) async throws {
    try await door.read(mailbox, uids, handle)
  }
  func prepare(_ mailbox: ImportedMailbox) async throws -> StoreMailbox { try await door.prepare(mailbox) }
}
