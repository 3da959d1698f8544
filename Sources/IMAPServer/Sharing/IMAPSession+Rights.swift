import IMAPCore
import MailNet
import MailStore
import NIOCore

/// A selected mailbox of somebody else.
struct Sharing: Sendable {
  let viewer: AccountID
  /// As of the last look; see `IMAPSession.looksAgain`.
  var rights: MailboxRights
  /// What the client calls it.
  let name: String
}

extension MailboxView {
  /// The id that listings of this session have for the mailbox.
  var listedID: MailboxID { sharing == nil ? mailbox.ref.mailbox : mailbox.ref.listedID }

  var rights: MailboxRights { sharing?.rights ?? .all }
  var scope: FlagScope { sharing.map { FlagScope($0.rights) } ?? .all }

  /// RFC 4314 §5.2: `\Seen` is nobody else's business, so `s` alone makes no mailbox writable.
  var selectCode: ResponseCode {
    isReadOnly || rights.isDisjoint(with: [.insert, .expunge, .write, .deleteMessages]) ? .readOnly : .readWrite
  }

  var permanentFlags: ResponseCode {
    guard !isReadOnly else { return .permanentFlags([], keywords: [], acceptsNewKeywords: false) }
    let scope = scope
    let flags = FlagSet.storable.intersection(FlagSet(rawValue: scope.flags.rawValue))
    return .permanentFlags(
      flags, keywords: scope.keywords ? told.keywords : [],
      acceptsNewKeywords: scope.keywords && told.keywords.count < Self.keywordLimit)
  }
}

/// Rights end, and begin, in sessions that are open.
extension IMAPSession {
  /// Takes note of other rights in the selected mailbox. False: the session ends, as `r` is gone; to its client this is as
  /// if the mailbox were (RFC 4314 §6).
  func looksAgain() -> Bool {
    guard let view, let sharing = view.sharing else { return true }
    let rights = store.rights(of: sharing.viewer, in: view.mailbox.ref)
    guard rights != sharing.rights else { return true }
    guard rights.contains(.read) else {
      bye("The selected mailbox was deleted")
      return false
    }
    let before = view.selectCode
    self.view?.sharing?.rights = rights
    guard let now = self.view, !isOver else { return !isOver }
    // RFC 4314 §5.1.1, RFC 9051 §7.1
    say(.ok, now.permanentFlags, "Other rights")
    if now.selectCode != before { say(.ok, now.selectCode, "Other rights") }
    return true
  }

  /// The selected mailbox, if it may be written to, with `needs` where it is somebody else's.
  func writableView(_ needs: MailboxRights) throws(CommandError) -> MailboxView {
    _ = try writableView()
    guard looksAgain() else { throw .connectionClosed }
    let view = try selectedView()
    guard view.rights.isSuperset(of: needs) else { throw .no(.noPerm, "You have no right to do that") }
    return view
  }

  /// A change of flags in the selected mailbox; `\Seen` of a mailbox of somebody else is this account's own.
  func storeFlags(
    _ change: FlagChange, of uids: [UID], in view: MailboxView
  ) async throws(CommandError) -> FlagOutcome {
    let ref = view.mailbox.ref
    let viewer = view.sharing?.viewer
    return try await storeCall { store throws(StoreError) in
      if let viewer { return try await store.changeFlags(change, of: uids, in: ref, as: viewer) }
      return try await store.changeFlags(change, of: uids, in: ref)
    }
  }
}

extension StoreCommand {
  /// The change that rights leave of it (RFC 4314 §4); `isCut`: they leave not all. Nil: nothing of it.
  func change(within scope: FlagScope) -> (change: FlagChange, isCut: Bool)? {
    let mode: FlagChange.Mode =
      switch self.mode {
      case .add: .add
      case .remove: .remove
      case .replace: .replace
      }
    let wanted = SystemFlags(rawValue: flags.system.intersection(.storable).rawValue)
    var change = FlagChange(mode, wanted, keywords: flags.keywords)
    guard scope != .all else { return (change, false) }
    change.flags.formIntersection(scope.flags)
    if !scope.keywords { change.keywords = [] }
    if mode == .replace {
      change.kept = SystemFlags([.seen, .answered, .flagged, .deleted, .draft]).subtracting(scope.flags)
      change.keepsKeywords = !scope.keywords
      return scope.isEmpty ? nil : (change, true)
    }
    let isCut = change.flags != wanted || change.keywords != flags.keywords
    if isCut, change.flags.isEmpty, change.keywords.isEmpty { return nil }
    return (change, isCut)
  }
}

extension AccessRights {
  init(_ rights: MailboxRights) { self.init(rawValue: rights.rawValue) }
}

extension MailboxRights {
  init(_ rights: AccessRights) { self.init(rawValue: rights.rawValue) }
}
