import Foundation
import MailStore
import MailStoreSQL
import MailTransfer
import NIOCore
import NIOPosix

/// Rights and annotations come before the messages: whoever may read a mailbox then finds it whole, and a run that is cut
/// has brought them.
extension StoreRestore {
  /// Sentences by mailbox; the empty name stands for the account.
  typealias Sharing = (grants: Int, entries: Int, leftOut: [String: [String]])

  /// - Parameter bringsRights: false for an account under another name: those who had rights in the old one were not given
  ///   them in this one.
  static func bringSharing(
    _ reader: BackupReader, into account: String, isNew: Bool, bringsRights: Bool, only wanted: Set<String>?,
    by door: StoreDoor
  ) async throws -> Sharing {
    var result: Sharing = (0, 0, [:])
    let threads = NIOThreadPool.singleton
    let boxes = try await threads.runIfActive { try reader.mailboxes().mailboxes }
    for box in boxes where box.isSelectable && wanted?.contains(box.name) != false {
      let (grants, entries) = try await threads.runIfActive {
        (
          bringsRights ? try reader.grants(of: box.id) : nil,
          try reader.entries(of: box.id).filter { bringsRights || $0.viewer == nil }
        )
      }
      var first = RestoredMailbox(
        account: account, mailbox: box.name, specialUse: box.specialUse?.rawValue, grants: grants, isNew: isNew)
      // Without either there is nothing to do, but in a mailbox that may get a list from the one above it.
      if grants == nil, entries.isEmpty { continue }
      for part in parts(entries) {
        first.entries = part
        try await send(first, door, &result)
        first.grants = nil
      }
    }
    guard wanted == nil else { return result }
    let own = try await threads.runIfActive { try reader.entries(of: 0) }
    for part in parts(own) where !part.isEmpty {
      try await send(RestoredMailbox(account: account, entries: part), door, &result)
    }
    return result
  }

  private static func send(
    _ request: RestoredMailbox, _ door: StoreDoor, _ result: inout Sharing
  ) async throws {
    let report = try await door.restore(request)
    result.grants += report.grants
    result.entries += report.entries
    if !report.leftOut.isEmpty { result.leftOut[request.mailbox ?? "", default: []] += report.leftOut }
  }

  /// So many that a request line holds them; one part at least.
  private static func parts(_ entries: [RestoredMailbox.Entry]) -> [[RestoredMailbox.Entry]] {
    var parts: [[RestoredMailbox.Entry]] = [[]]
    var octets = 0
    for entry in entries {
      octets += entry.value.count + entry.entry.utf8.count
      if octets > ControlLimits.requestLine / 4, !(parts.last?.isEmpty ?? true) {
        parts.append([])
        octets = entry.value.count + entry.entry.utf8.count
      }
      parts[parts.count - 1].append(entry)
    }
    return parts
  }
}

extension BackupReader {
  fileprivate func person(_ id: AccountID) -> RestoredMailbox.Person {
    let account = known(id)
    return RestoredMailbox.Person(
      number: id.rawValue, created: account?.created ?? -1, name: account?.name ?? "an account that was removed")
  }

  fileprivate func grants(of mailbox: Int64) throws(StoreError) -> [RestoredMailbox.Grant] {
    try accessList(of: mailbox).map { entry in
      var grant = RestoredMailbox.Grant(isNegative: entry.isNegative, rights: entry.rights.rawValue)
      if case .account(let id) = entry.grantee { grant.person = person(id) }
      return grant
    }
  }

  fileprivate func entries(of mailbox: Int64) throws(StoreError) -> [RestoredMailbox.Entry] {
    try annotations(of: mailbox).map { kept in
      RestoredMailbox.Entry(
        viewer: kept.viewer.map { person($0) }, entry: kept.annotation.entry,
        value: Data(kept.annotation.value.readableBytesView))
    }
  }
}
