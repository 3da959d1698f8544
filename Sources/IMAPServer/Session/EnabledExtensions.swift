import IMAPCore
import MailNet
import MailStore

/// What a client has switched on for the rest of its connection, and what the server tells it therefore.
struct EnabledExtensions: OptionSet, Sendable {
  let rawValue: UInt8
  /// MODSEQ and UID come with every FETCH that was not asked for (RFC 7162 §3.1, §3.2.4).
  static let condStore = EnabledExtensions(rawValue: 1)
  /// VANISHED instead of EXPUNGE (RFC 7162 §3.2.3).
  static let qResync = EnabledExtensions(rawValue: 2)
  /// UIDFETCH and VANISHED, and no sequence numbers at all (RFC 9586).
  static let uidOnly = EnabledExtensions(rawValue: 4)

  var tellsModSeqs: Bool { contains(.condStore) }
  var tellsVanished: Bool { !isDisjoint(with: [.qResync, .uidOnly]) }
  var isUIDOnly: Bool { contains(.uidOnly) }
}

extension IMAPSession {
  /// To be called by every CONDSTORE-enabling command. The first with a mailbox selected is told HIGHESTMODSEQ
  /// (RFC 7162 §3.1).
  func enableCondStore() {
    guard !enabled.contains(.condStore) else { return }
    enabled.insert(.condStore)
    hasToldExpunge = false
    if let view { say(.ok, .highestModSeq(safeModSeq(view)), "Highest") }
  }

  /// The MODSEQ up to which the client has heard of everything, where it has to be told before the tag (RFC 7162 §3.2,
  /// §3.2.7, §6): after EXPUNGE or VANISHED, which carry none; and while some are held back, or NOTIFY keeps changes of
  /// flags back, so that a client which has seen higher ones keeps to the lower.
  func dueModSeq() -> UInt64? {
    guard enabled.contains(.condStore), let view else { return nil }
    guard hasToldExpunge || view.ghosts > 0 || notify?.keptBack != nil else { return nil }
    hasToldExpunge = false
    return safeModSeq(view)
  }

  private func safeModSeq(_ view: MailboxView) -> ModSeq { min(view.safeModSeq, notify?.keptBack ?? .max) }

  /// Commands after which EXPUNGE may be told although they mean messages: the UID forms, unless they ask for numbers all
  /// the same (RFC 7162 §3.2.10.2).
  func endsAsUID(_ command: Command) -> Bool {
    guard command.isUID else { return false }
    return !enabled.tellsVanished || !command.hasSequenceNumbers
  }
}
