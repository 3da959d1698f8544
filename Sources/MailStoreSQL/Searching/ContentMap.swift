import MailStore
import Synchronization

/// Which content each message of a mailbox has, in the order of contents. It never changes: a UID is never given to another
/// message, nor is a content; so a map that was made once is only added to.
final class ContentMap: Sendable {
  /// Ascending.
  let contents: [Int64]
  let uids: [UID]
  /// Places in the order of UIDs; nil: they are in it already.
  let byUID: [Int32]?
  let lastUID: UID

  init(contents: [Int64] = [], uids: [UID] = [], lastUID: UID = 0) {
    self.lastUID = lastUID
    if Self.ascends(contents) {
      self.contents = contents
      self.uids = uids
    } else {
      let order = contents.indices.sorted { (contents[$0], $0) < (contents[$1], $1) }
      self.contents = order.map { contents[$0] }
      self.uids = order.map { uids[$0] }
    }
    let ordered = self.uids
    byUID = Self.ascends(ordered) ? nil : ordered.indices.sorted { ordered[$0] < ordered[$1] }.map { Int32($0) }
  }

  private static func ascends<Value: Comparable>(_ values: [Value]) -> Bool {
    values.withUnsafeBufferPointer { values in
      for index in 1..<max(values.count, 1) where values[index - 1] > values[index] { return false }
      return true
    }
  }

  func adding(contents more: [Int64], uids moreUIDs: [UID]) -> ContentMap {
    guard let last = moreUIDs.last else { return self }
    return ContentMap(contents: contents + more, uids: uids + moreUIDs, lastUID: last)
  }

  /// UIDs of the places that have this verdict, as ranges without any other UID in them.
  func ranges(of verdict: UInt8, in verdicts: [UInt8]) -> [ClosedRange<UID>] {
    var result: [ClosedRange<UID>] = []
    for index in uids.indices {
      let place = byUID.map { Int($0[index]) } ?? index
      guard verdicts[place] == verdict else { continue }
      let uid = uids[place]
      if let last = result.last, last.upperBound + 1 == uid {
        result[result.count - 1] = last.lowerBound...uid
      } else {
        result.append(uid...uid)
      }
    }
    return result
  }
}

/// The maps of mailboxes that were searched last.
final class ContentMaps: Sendable {
  private struct State {
    var maps: [MailboxRef: (map: ContentMap, used: Int)] = [:]
    var messages = 0
    var clock = 0
  }

  private let state = Mutex(State())

  func map(of ref: MailboxRef) -> ContentMap? {
    state.withLock { state in
      guard let map = state.maps[ref]?.map else { return nil }
      state.clock += 1
      state.maps[ref] = (map, state.clock)
      return map
    }
  }

  func keep(_ map: ContentMap, of ref: MailboxRef) {
    state.withLock { state in
      state.messages -= state.maps.removeValue(forKey: ref)?.map.uids.count ?? 0
      guard map.uids.count <= StoreLimits.mappedMessages else { return }
      state.clock += 1
      state.maps[ref] = (map, state.clock)
      state.messages += map.uids.count
      while state.messages > StoreLimits.mappedMessages,
        let oldest = state.maps.min(by: { $0.value.used < $1.value.used })
      {
        state.maps[oldest.key] = nil
        state.messages -= oldest.value.map.uids.count
      }
      // Empty mailboxes take room too.
      if state.maps.count > StoreLimits.mappedMailboxes { state = State() }
    }
  }
}

extension Reader {
  /// The map of a mailbox as it stands now.
  func contentMap(_ ref: MailboxRef, _ maps: ContentMaps) throws(StoreError) -> ContentMap {
    var map = maps.map(of: ref) ?? ContentMap()
    let count = try db("SELECT messages FROM mailbox WHERE account = ? AND id = ?")
    count.bind(1, ref.account.rawValue)
    count.bind(2, ref.mailbox.rawValue)
    let messages = Int(clamping: try count.first { $0.int(0) } ?? 0)
    // Mostly of messages that are gone.
    if map.uids.count > 2 * messages + 1024 { map = ContentMap() }
    let rows = try db("SELECT uid, content FROM message WHERE account = ? AND mailbox = ? AND uid > ? ORDER BY uid")
    rows.bind(1, ref.account.rawValue)
    rows.bind(2, ref.mailbox.rawValue)
    rows.bind(3, map.lastUID)
    var contents: [Int64] = []
    var uids: [UID] = []
    if map.uids.isEmpty {
      contents.reserveCapacity(messages)
      uids.reserveCapacity(messages)
    }
    defer { rows.reset() }
    while try rows.step() {
      uids.append(rows.uid(0))
      contents.append(rows.int(1))
    }
    guard !uids.isEmpty else { return map }
    map = map.adding(contents: contents, uids: uids)
    maps.keep(map, of: ref)
    return map
  }
}
