import IMAPClient
import IMAPCore
import MailNet
import NIOCore
import Synchronization

@testable import MailSync

/// An IMAP server in memory: mailboxes, UIDs, UIDVALIDITY, MODSEQ, VANISHED, flags, keywords. It can do without any extension,
/// counts octets, and can be cut at any step.
final class FakeServer: Sendable {
  struct Kind: Sendable, CustomStringConvertible {
    var hasQResync = true
    var hasCondstore = true
    var hasUIDPlus = true
    var hasMove = true
    var hasObjectID = false
    var description: String {
      [
        hasQResync ? "QRESYNC" : nil, hasCondstore ? "CONDSTORE" : nil, hasUIDPlus ? "UIDPLUS" : nil,
        hasMove ? "MOVE" : nil, hasObjectID ? "OBJECTID" : nil,
      ].compactMap { $0 }.joined(separator: "+")
    }
    static let full = Kind()
    static let condstore = Kind(hasQResync: false)
    static let plain = Kind(hasQResync: false, hasCondstore: false)
    static let bare = Kind(hasQResync: false, hasCondstore: false, hasUIDPlus: false, hasMove: false)
    /// Moves by COPY and EXPUNGE.
    static let copying = Kind(hasMove: false)
    static let all: [Kind] = [
      .full, .condstore, .plain, .bare, Kind(hasObjectID: true),
      Kind(hasQResync: false, hasCondstore: false, hasUIDPlus: false, hasMove: true), Kind(hasMove: false),
    ]
  }

  struct Message: Sendable {
    var uid: UInt32
    var flags: SyncFlags
    var modSeq: UInt64
    var seconds: Int64
    var bytes: ByteBuffer
    var emailID: Int
  }

  struct Box: Sendable {
    var uidValidity: UInt32
    var uidNext: UInt32 = 1
    var messages: [Message] = []
    var expunged: [(uid: UInt32, modSeq: UInt64)] = []
    var modSeq: UInt64 = 1
    var isSubscribed = false
    var permanent = FlagList(.storable)
    var acceptsNewKeywords = true
    var isReadOnly = false
  }

  struct State: Sendable {
    var boxes: [String: Box] = [:]
    var nextValidity: UInt32 = 1000
    var nextEmailID = 1
    /// Octets of bodies that left the server, and that came by APPEND.
    var bodyOctets = 0
    var appendOctets = 0
    var selects = 0
    var connections = 0
    /// SELECT and FETCH show no messages: a broken server.
    var showsNothing = false
    /// RFC822.SIZE is off by this.
    var sizeError: Int64 = 0
    /// New keywords are refused.
    var refusesKeywords = false
    /// Octets of a message that still fit into the quota.
    var room = Int.max
    /// Commands that move until one is refused.
    var movesLeft = Int.max
    /// UIDs whose bodies are refused.
    var spoiled: Set<UInt32> = []
    /// Connections in IDLE hear of something.
    var rings = 0
  }

  let kind: Kind
  let prefix: String
  let delimiter: Character
  private let state = Mutex(State())

  func withState<Value>(_ body: (inout State) throws -> Value) rethrows -> Value {
    try state.withLock { state in try body(&state) }
  }

  init(_ kind: Kind = .full, prefix: String = "", delimiter: Character = "/") {
    self.kind = kind
    self.prefix = prefix
    self.delimiter = delimiter
    create("INBOX")
  }

  func create(_ name: String) {
    withState { state in
      guard state.boxes[name] == nil else { return }
      state.boxes[name] = Box(uidValidity: state.nextValidity)
      state.nextValidity += 1
    }
  }

  @discardableResult
  func deliver(
    _ text: String, to name: String = "INBOX", _ flags: SyncFlags = SyncFlags(), seconds: Int64 = 1_700_000_000
  )
    -> UInt32
  {
    withState { state in
      state.nextEmailID += 1
      return state.add(name, flags, seconds, ByteBuffer(string: text), state.nextEmailID)
    }
  }

  func setFlags(_ name: String, _ uid: UInt32, _ flags: SyncFlags) {
    withState { $0.setFlags(name, uid, flags) }
  }

  func expunge(_ name: String, _ uids: [UInt32]) { withState { $0.expunge(name, Set(uids)) } }

  func move(_ name: String, _ uid: UInt32, to target: String) {
    withState { _ = $0.move(name, [uid], to: target) }
  }

  func rename(_ name: String, to new: String) {
    withState { state in
      for old in state.boxes.keys where old == name || old.hasPrefix(name + String(delimiter)) {
        state.boxes[new + old.dropFirst(name.count)] = state.boxes.removeValue(forKey: old)
      }
    }
  }

  func delete(_ name: String) { withState { $0.boxes[name] = nil } }

  /// Every message gets a new UID, and UIDVALIDITY changes.
  func renumber(_ name: String) {
    withState { state in
      guard var box = state.boxes[name] else { return }
      box.uidValidity = state.nextValidity
      state.nextValidity += 1
      box.expunged = []
      for index in box.messages.indices { box.messages[index].uid = UInt32(500 + index * 2) }
      box.uidNext = UInt32(500 + box.messages.count * 2)
      state.boxes[name] = box
    }
  }

  func ring() { withState { $0.rings += 1 } }

  func messages(_ name: String = "INBOX") -> [Message] { withState { $0.boxes[name]?.messages ?? [] } }
  func uid(of text: String, in name: String = "INBOX") -> UInt32? {
    messages(name).first { String(buffer: $0.bytes) == text }?.uid
  }
  var names: [String] { withState { $0.boxes.keys.sorted() } }
}

extension FakeServer.State {
  mutating func add(_ name: String, _ flags: SyncFlags, _ seconds: Int64, _ bytes: ByteBuffer, _ emailID: Int) -> UInt32
  {
    guard var box = boxes[name] else { return 0 }
    box.modSeq += 1
    let uid = box.uidNext
    box.uidNext += 1
    box.messages.append(
      .init(uid: uid, flags: flags, modSeq: box.modSeq, seconds: seconds, bytes: bytes, emailID: emailID))
    boxes[name] = box
    return uid
  }

  mutating func setFlags(_ name: String, _ uid: UInt32, _ flags: SyncFlags) {
    guard var box = boxes[name], let index = box.messages.firstIndex(where: { $0.uid == uid }) else { return }
    guard box.messages[index].flags != flags else { return }
    box.modSeq += 1
    box.messages[index].flags = flags
    box.messages[index].modSeq = box.modSeq
    boxes[name] = box
  }

  mutating func expunge(_ name: String, _ uids: Set<UInt32>) {
    guard var box = boxes[name] else { return }
    for message in box.messages where uids.contains(message.uid) {
      box.modSeq += 1
      box.expunged.append((message.uid, box.modSeq))
    }
    box.messages.removeAll { uids.contains($0.uid) }
    boxes[name] = box
  }

  mutating func copy(_ messages: [FakeServer.Message], to target: String) -> [UInt32: UInt32] {
    var map: [UInt32: UInt32] = [:]
    for message in messages {
      map[message.uid] = add(target, message.flags, message.seconds, message.bytes, message.emailID)
    }
    return map
  }

  mutating func move(_ name: String, _ uids: [UInt32], to target: String) -> [UInt32: UInt32] {
    var map: [UInt32: UInt32] = [:]
    for uid in uids {
      guard let message = boxes[name]?.messages.first(where: { $0.uid == uid }) else { continue }
      map[uid] = add(target, message.flags, message.seconds, message.bytes, message.emailID)
    }
    expunge(name, Set(map.keys))
    return map
  }
}
