import IMAPCore

/// The rules by which a message on two sides becomes one, against the common ancestor.
///
/// | server           | local folder     | sync                             | mirror               |
/// |------------------|------------------|----------------------------------|----------------------|
/// | new              | –                | download                         | download             |
/// | –                | new              | APPEND                           | left alone, reported |
/// | there            | there            | flags merged one by one          | flags of the server  |
/// | gone             | as agreed        | to the quarantine                | to the quarantine    |
/// | gone             | flags changed    | kept: APPEND again               | to the quarantine    |
/// | as agreed        | gone             | quarantined, then expunged       | download again       |
/// | flags changed    | gone             | kept: download again             | download again       |
/// | gone             | gone             | forgotten                        | forgotten            |
/// | new UIDVALIDITY, not found again | there | kept: APPEND again           | left alone, reported |
///
/// Mail is kept when in doubt. Setting `\Deleted` (T) agrees with a deletion on the other side, so it is no change that
/// keeps a message. Moves are recognised before these rules are asked: see `MoveMatcher`.
enum MergeRules {
  enum Decision: Sendable, Hashable {
    /// Both sides have it: flags may still differ.
    case both
    case download
    /// Changed on the server, deleted here: fetched again.
    case keepRemote
    /// Changed here, deleted on the server: becomes a new local message.
    case keepLocal
    case deleteLocally
    case deleteRemotely
    case forget
  }

  /// - local: flags of its file; nil when there is no file.
  /// - oneWay: the server is right: a mirror, or a mailbox that is read-only.
  static func decide(_ row: KnownMessage, local: SyncFlags?, oneWay: Bool) -> Decision {
    guard row.base != nil else { return row.isGone ? .forget : .download }
    switch (row.isGone, local) {
    case (false, .some): return .both
    case (true, nil): return .forget
    case (false, nil):
      if oneWay { return .download }
      return hasChanged(row.remote, row) ? .keepRemote : .deleteRemotely
    case (true, .some(let flags)):
      if row.isVoid { return .keepLocal }
      if oneWay { return .deleteLocally }
      return hasChanged(flags, row) ? .keepLocal : .deleteLocally
    }
  }

  private static func hasChanged(_ flags: SyncFlags, _ row: KnownMessage) -> Bool {
    // Without an ancestor nobody knows: kept.
    guard let agreed = row.agreed else { return true }
    return comparable(flags, row) != comparable(agreed, row)
  }

  private static func comparable(_ flags: SyncFlags, _ row: KnownMessage) -> SyncFlags {
    SyncFlags(flags.system.subtracting(.deleted), keywords: flags.keywords.subtracting(row.withheld))
  }

  /// What is to be done so that both sides have the same flags.
  struct Flags: Sendable, Hashable {
    /// Nil: the file has them.
    var toLocal: SyncFlags?
    var add = SyncFlags()
    var remove = SyncFlags()
    /// The ancestor from then on.
    var agreed: SyncFlags
    var withheld: Set<KeywordName>
    var changesRemote: Bool { !add.isEmpty || !remove.isEmpty }
  }

  static func flags(_ row: KnownMessage, local: SyncFlags, mailbox: KnownMailbox, oneWay: Bool) -> Flags {
    var withheld = row.withheld
    if oneWay {
      let wanted = SyncFlags(row.remote.system, keywords: row.remote.keywords.subtracting(withheld))
      let has = SyncFlags(local.system, keywords: local.keywords.subtracting(withheld))
      return Flags(toLocal: wanted == has ? nil : wanted, agreed: wanted, withheld: withheld)
    }
    // New local keywords that the server will not keep stay local.
    withheld.formUnion(mailbox.refused(local.keywords.subtracting(row.remote.keywords)))
    func visible(_ flags: SyncFlags) -> SyncFlags {
      SyncFlags(flags.system.intersection(mailbox.permanent), keywords: flags.keywords.subtracting(withheld))
    }
    let remote = visible(row.remote)
    let here = visible(local)
    let merged = SyncFlags.merge(ancestor: visible(row.agreed ?? SyncFlags()), local: here, remote: remote)
    var result = Flags(agreed: merged, withheld: withheld)
    result.add = merged.subtracting(remote)
    result.remove = remote.subtracting(merged)
    if merged != here { result.toLocal = merged.union(local.subtracting(here)) }
    return result
  }
}
