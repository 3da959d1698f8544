import ArgumentParser
import Foundation
import MailStore
import MerpatiServer

struct Undelete: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "undelete", abstract: "Bring back mail that was deleted within store.keep-expunged-days.",
    discussion: """
      Messages come back into the mailbox they were in, with their flags, keywords, dates and POP3 UIDL, under new UIDs. A \
      mailbox that was deleted is made anew. Without --list everything that is meant comes back at once: look first.
      """)

  @Argument(help: "The account.") var account: String
  @OptionGroup var data: DataOptions
  @Option(help: ArgumentHelp("Only what was in this mailbox.", valueName: "name")) var mailbox: String?
  @Option(
    help: ArgumentHelp(
      "Only what was deleted since: 2h, 3d, 2026-11-25, 2026-11-25T14:00 (local time).", valueName: "time"))
  var since: String?
  @Option(help: ArgumentHelp("With --mailbox: only these UIDs (12,40:45), as --list shows them.", valueName: "set"))
  var uid: String?
  @Flag(help: "Only show what can come back.") var list = false
  @Flag(help: "Bring it back though the account is full.") var ignoreQuota = false
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if uid != nil, mailbox == nil { throw ValidationError("--uid goes with --mailbox: UIDs are a mailbox's own") }
  }

  func run() async throws {
    try await Terminal.run {
      let filter = DeletedFilter(mailbox: mailbox, since: try moment(), uids: try uids())
      let directory = try await data.directory
      if list {
        guard
          let listing = try await Terminal.call(.deletedMessages(account: account, filter: filter), in: directory)
            .deleted
        else { return }
        return json ? try Terminal.json(listing) : show(listing)
      }
      let request = ControlRequest.undelete(account: account, filter: filter, ignoringQuota: ignoreQuota)
      guard let report = try await Terminal.call(request, in: directory).undeleted else { return }
      if json { return try Terminal.json(report) }
      print("\(report.messages) messages are back, \(Text.size(report.octets))")
      for (name, count) in report.mailboxes.sorted(by: { $0.key < $1.key }) { print("  \(count)  \(Text.plain(name))") }
      if report.newUIDLs > 0 { print("\(report.newUIDLs) of them have a new POP3 UIDL: the old one was given again") }
    }
  }

  private func show(_ listing: DeletedListing) {
    let now = Int64(time(nil))
    Terminal.table(
      ["DELETED", "MAILBOX", "UID", "SIZE", "FROM", "SUBJECT"],
      listing.messages.map { message in
        [
          Text.date(message.deleted, now: now),
          Text.plain(message.mailbox) + (message.mailboxDeleted ? " (deleted)" : ""), String(message.uid),
          Text.size(message.size), Text.cut(Text.plain(message.from), 30), Text.cut(Text.plain(message.subject), 60),
        ]
      }, right: [2, 3])
    if listing.total > listing.messages.count {
      print("and \(listing.total - listing.messages.count) more, deleted earlier; narrow it by --mailbox or --since")
    } else {
      print("\(listing.total) messages can come back")
    }
  }

  /// `2h`, `3d`: so long ago; else a date, or a date and a time, of this machine's zone.
  private func moment() throws -> Int64? {
    guard let since else { return nil }
    if let unit = since.last, let number = Int64(since.dropLast()), number >= 0, number < 1_000_000,
      let seconds = ["m": Int64(60), "h": 3600, "d": 86_400][unit]
    {
      return Int64(time(nil)) - number * seconds
    }
    // Each field of its width, parted as ISO 8601 has it.
    let fields = since.split(whereSeparator: { !$0.isNumber }).map(String.init)
    let shape = String(since.map { $0.isNumber ? "0" : $0 })
    if ["0000-00-00", "0000-00-00T00:00", "0000-00-00T00:00:00"].contains(shape) {
      let numbers = fields.compactMap { Int32($0) }
      var parts = tm()
      parts.tm_year = numbers[0] - 1900
      parts.tm_mon = numbers[1] - 1
      parts.tm_mday = numbers[2]
      parts.tm_hour = numbers.count > 3 ? numbers[3] : 0
      parts.tm_min = numbers.count > 4 ? numbers[4] : 0
      parts.tm_sec = numbers.count > 5 ? numbers[5] : 0
      parts.tm_isdst = -1
      let wanted = parts
      let moment = mktime(&parts)
      // A month 13 would quietly become another date.
      if moment >= 0, parts.tm_mon == wanted.tm_mon, parts.tm_mday == wanted.tm_mday { return Int64(moment) }
    }
    throw Refusal.usage("--since: '\(since)' is neither a span (90m, 2h, 3d) nor a date (2026-11-25, 2026-11-25T14:00)")
  }

  private func uids() throws -> [UID]? {
    guard let uid else { return nil }
    var result: Set<UID> = []
    for part in uid.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: ":", omittingEmptySubsequences: false).map { UID($0) }
      guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1], first > 0,
        first <= last,
        last - first < 100_000, result.count < 100_000
      else { throw Refusal.usage("--uid: '\(part)' is no UID and no range such as 40:45") }
      result.formUnion(first...last)
    }
    return result.sorted()
  }
}
