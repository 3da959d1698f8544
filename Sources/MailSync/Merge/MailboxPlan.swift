/// What is to be done in one mailbox. Numbers are indexes of `MailboxSurvey.rows`.
struct MailboxPlan: Sendable {
  struct FlagWork: Sendable {
    var row: Int
    var flags: MergeRules.Flags
  }
  var flags: [FlagWork] = []
  var downloads: [Int] = []
  /// Bases.
  var uploads: [String] = []
  var deletesLocally: [Int] = []
  var deletesRemotely: [Int] = []

  var needsServer: Bool {
    !downloads.isEmpty || !uploads.isEmpty || !deletesRemotely.isEmpty || flags.contains { $0.flags.changesRemote }
  }
  var isEmpty: Bool {
    flags.isEmpty && downloads.isEmpty && uploads.isEmpty && deletesLocally.isEmpty && deletesRemotely.isEmpty
  }
}

extension MailboxSurvey {
  /// Applies the rules to every message. Rows that need nothing more than a change of the state are changed here, so this
  /// is asked once. Moves must have been settled before.
  /// - reserved: files and rows that a move will take care of.
  mutating func plan(mode: SyncMode, movedRows: Set<Int>, reserved: Set<String>) -> MailboxPlan {
    var plan = MailboxPlan()
    let oneWay = mode == .mirror || isReadOnly
    for index in rows.indices where !dropped.contains(index) && !movedRows.contains(index) {
      let file = rows[index].base.flatMap { local[$0] }
      switch MergeRules.decide(rows[index], local: file?.flags, oneWay: oneWay) {
      case .both:
        guard let file else { continue }
        let flags = MergeRules.flags(rows[index], local: file.flags, mailbox: mailbox, oneWay: oneWay)
        if flags.toLocal != nil || flags.changesRemote {
          plan.flags.append(.init(row: index, flags: flags))
        } else if flags.agreed != rows[index].agreed || flags.withheld != rows[index].withheld {
          rows[index].agreed = flags.agreed
          rows[index].withheld = flags.withheld
          dirty.insert(index)
        }
      case .download:
        unpair(index)
        plan.downloads.append(index)
      case .keepRemote:
        unpair(index)
        report.kept += 1
        plan.downloads.append(index)
      case .keepLocal:
        if let base = rows[index].base { newLocal.insert(base) }
        report.kept += 1
        drop(index)
      case .deleteLocally: plan.deletesLocally.append(index)
      case .deleteRemotely: plan.deletesRemotely.append(index)
      case .forget: drop(index)
      }
    }
    let additions = newLocal.subtracting(reserved).sorted()
    if oneWay || presence == .remoteGone {
      report.onlyLocal += additions.count
    } else {
      plan.uploads = additions
    }
    return plan
  }

  private mutating func unpair(_ row: Int) {
    guard rows[row].base != nil else { return }
    rows[row].base = nil
    rows[row].agreed = nil
    rows[row].isLanded = true
    dirty.insert(row)
  }
}
