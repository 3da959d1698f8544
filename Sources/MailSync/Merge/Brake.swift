/// Stops a mailbox before more is deleted than is sound.
///
/// It holds when more than `messages` and more than `percent` of the mailbox would go; when a mailbox with mail is missing
/// on the other side altogether; or when nothing would be left of a mailbox with more than `emptied` messages, as when a
/// server shows none or a folder lost its files. A mailbox that it holds is left entirely as it is, the state too, so the
/// next run finds the same again.
enum Brake {
  static func check(
    _ survey: MailboxSurvey, deletesLocally: Int, deletesRemotely: Int, settings: BrakeSettings
  ) -> BrakeReport? {
    for (side, count) in [(BrakeReport.Side.local, deletesLocally), (.remote, deletesRemotely)] where count > 0 {
      let isWhole = survey.presence != .both
      let total = max(survey.pairsBefore, count)
      let isMuch = count > settings.messages && count * 100 > total * settings.percent
      let isAll = count == total && count > settings.emptied
      guard isWhole || isMuch || isAll, !settings.allowance.covers(count) else { continue }
      return BrakeReport(
        mailbox: survey.mailbox.remote, side: side, deletions: count, of: total, isWholeMailbox: isWhole)
    }
    return nil
  }
}
