import Bytes
public import IMAPCore
public import MailNet
import NIOCore

public struct FlagStore: Sendable, Hashable {
  public enum Mode: Sendable, Hashable { case add, remove, replace }
  public var uids: MessageSet
  public var mode: Mode
  public var flags: FlagList
  /// CONDSTORE's UNCHANGEDSINCE.
  public var unchangedSince: UInt64?
  public init(uids: MessageSet, mode: Mode, flags: FlagList, unchangedSince: UInt64? = nil) {
    self.uids = uids
    self.mode = mode
    self.flags = flags
    self.unchangedSince = unchangedSince
  }
}

public struct StoreResult: Sendable, Hashable {
  /// UIDs that were left as they are: changed meanwhile by another (MODIFIED), or known to be gone.
  public var modified: [UInt32] = []
  public var modSeqs: [UInt32: UInt64] = [:]
  public init() {}
}

extension IMAPClient {
  /// UID STORE of many changes, pipelined. Returns UIDs whose change was refused by UNCHANGEDSINCE (MODIFIED), or which
  /// are gone as far as the server says so (VANISHED, meanwhile); and the MODSEQs that came back.
  ///
  /// Flags in `ignored`, and keywords that are no atoms, are not sent. Without CONDSTORE `unchangedSince` is not either. Changes of other flags of the
  /// same messages go to `events()`.
  public func store(_ changes: [FlagStore]) async throws(ClientError) -> StoreResult {
    let commands = changes.flatMap { change in change.uids.split().map { command(change, $0) } }
    let filter = UIDFilter(changes.map(\.uids))
    var wishes = Wishes(changes)
    var result = StoreResult()
    var refused: Set<UInt32> = []
    try await pipeline(commands.count, window: IMAPClientLimits.storeWindow) { index, batch in
      add(.store(commands[index]), to: &batch)
    } _: { response in
      switch response {
      case .fetch(let fetch):
        guard let uid = fetch.uid, filter.contains(uid), fetch.isOnlyFlags else { return false }
        if let modSeq = fetch.modSeq { result.modSeqs[uid] = modSeq }
        // Flags that are what was asked for are no news.
        return fetch.flags.map { wishes.areDone(uid, $0) } ?? true
      case .vanished(_, let ranges):
        for range in filter.split(ranges).inside where refused.count + range.count <= IMAPClientLimits.found {
          refused.formUnion(range)
        }
        return false
      default: return false
      }
    } _: { _, command, line in
      if case .modified(let ranges)? = line.code {
        for range in filter.split(ranges).inside where refused.count + range.count <= IMAPClientLimits.found {
          refused.formUnion(range)
        }
        // RFC 7162 §3.1.3: in NO as well, when some of the messages are gone.
        return nil
      }
      return line.code == .expungeIssued ? nil : refusal(line, command.name)
    }
    result.modified = refused.sorted()
    return result
  }

  private func command(_ change: FlagStore, _ uids: MessageSet) -> StoreCommand {
    let mode: StoreCommand.Mode =
      switch change.mode {
      case .add: .add
      case .remove: .remove
      case .replace: .replace
      }
    var modifiers: [CommandModifier] = []
    if let modSeq = change.unchangedSince, hasModSeqs {
      modifiers = [CommandModifier("UNCHANGEDSINCE", value: ByteBuffer(string: "\(modSeq)"))]
    }
    return StoreCommand(
      uid: true, set: uids, mode: mode, silent: true, flags: change.flags.sendable, modifiers: modifiers)
  }
}

extension FlagList {
  /// What a server may be asked to keep: no flag of no standard, and no keyword that would break out of its list.
  var sendable: FlagList {
    FlagList(
      system.intersection(.storable),
      keywords: keywords.filter { !$0.isEmpty && $0.utf8.allSatisfy(\.isAStringCharacter) })
  }

  fileprivate var lowercasedKeywords: Set<String> { Set(keywords.map { $0.lowercased() }) }
}

/// What is asked for each message, looked up only if a server sends flags back.
private struct Wishes {
  let changes: [FlagStore]
  /// Changes by UID; those with `*` in `open`.
  private var byUID: [UInt32: [Int]]?
  private var open: [Int] = []

  init(_ changes: [FlagStore]) { self.changes = changes }

  /// The message has the flags that were asked for.
  mutating func areDone(_ uid: UInt32, _ now: FlagList) -> Bool {
    let places = byUID ?? lookUp()
    return ((places[uid] ?? []) + open).allSatisfy { changes[$0].isDone(now) }
  }

  private mutating func lookUp() -> [UInt32: [Int]] {
    var places: [UInt32: [Int]] = [:]
    for (index, change) in changes.enumerated() {
      let ranges = change.uids.resolvedUIDs(last: .max)
      guard !change.uids.containsStar, !change.uids.includesSavedResult,
        places.count + ranges.reduce(0, { $0 + $1.count }) <= IMAPClientLimits.found
      else {
        open.append(index)
        continue
      }
      for range in ranges { for uid in range { places[uid, default: []].append(index) } }
    }
    byUID = places
    return places
  }
}

extension FlagStore {
  fileprivate func isDone(_ now: FlagList) -> Bool {
    let wanted = flags.sendable
    switch mode {
    case .add:
      return now.system.isSuperset(of: wanted.system)
        && now.lowercasedKeywords.isSuperset(of: wanted.lowercasedKeywords)
    case .remove:
      return now.system.isDisjoint(with: wanted.system)
        && now.lowercasedKeywords.isDisjoint(with: wanted.lowercasedKeywords)
    case .replace:
      return now.system.intersection(.storable) == wanted.system && now.lowercasedKeywords == wanted.lowercasedKeywords
    }
  }
}
