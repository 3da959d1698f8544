/// What each way costs, from the figures of a mailbox. All formulas are here and in `ServerCurve`.
///
/// | sign | meaning | unit |
/// |---|---|---|
/// | N, M | messages and octets of all mailboxes; Nᵢ, Mᵢ: of the INBOX | messages, octets |
/// | n, o | arrivals a day, all mailboxes; nᵢ, oᵢ: INBOX; oₓ: the others | messages, octets |
/// | S, L | used octets of the quota now (M where it is not told), its limit | octets |
/// | h | header of a message | octets |
/// | B | mailboxes | |
/// | r, v | round trip, throughput | seconds, octets a second |
/// | s | sessions a day; with POP3 at most 86,400 / LOGIN-DELAY | |
/// | W | commands on the way at a time: the window; 1 without PIPELINING | |
/// | k(d), K(d) | INBOX messages and octets of the last d days | messages, octets |
///
/// **Time** of anything: round trips × r + octets ÷ v. Octets that the client sends are left out: they are few.
///
/// **Server.** IMAP, all modes: S now, growing by o a day. POP3, d days kept: S − Mᵢ + K(d) after the first run (nothing
/// kept: d = 0), moving to S − Mᵢ + oᵢ·d + oₓ·d within d days, then growing by oₓ a day: POP3 sees the INBOX only, and
/// what other mailboxes gain stays. **Full in**: the first day that curve reaches L.
///
/// **POP3, d days kept**
/// - first: octets Mᵢ + list·Nᵢ; round trips login + 3 (STAT, LIST with UIDL, QUIT) + ⌈Nᵢ/W⌉ (RETR) + ⌈(Nᵢ − k(d))/W⌉
///   (DELE)
/// - a day: octets oᵢ + list·(nᵢ + s·nᵢ·d), since what is kept is listed in each session; round trips s·(login + 3) +
///   2·nᵢ/W
/// - here: Mᵢ, growing by oᵢ a day
///
/// **IMAP, every mode**: one login a day with IDLE and its renewals, else s; each look asks the state of all mailboxes: one
/// round trip with LIST-STATUS, else ⌈B/W⌉; octets status·B.
/// - *online*: first a page of min(page, Nᵢ) headers, 2 round trips (EXAMINE, FETCH); a day: looks × that page with its
///   login, and what is read (below); here: nothing
/// - *headers*: first (h + structure)·N, 2·B round trips; a day (h + structure)·n, 2·min(s, n) round trips, and what is
///   read; here: (h + structure)·N, growing with n
/// - *mirror*: first M + fetch·N, 2·B + ⌈N/(batch·fetch window)⌉ round trips; a day o + fetch·n, and without CONDSTORE or
///   QRESYNC the flags of all messages, flag·N, at each look; round trips 2·min(s, n), and B more at each look without
///   CONDSTORE; here: M, growing by o
/// - *sync*: a mirror, and flag·n a day for what is changed here, n/W round trips
/// - *read*: text share·oᵢ·(text read) + attachment share·oᵢ·(attachments opened); a round trip for each of nᵢ
struct CostModel: Sendable {
  let mail: MailFigures
  let assumed: ModelAssumptions

  init(_ measured: Measurement, _ assumed: ModelAssumptions = ModelAssumptions()) {
    self.mail = MailFigures(measured, assumed)
    self.assumed = assumed
  }

  /// Octets and round trips of a piece of work.
  struct Work: Sendable, Hashable {
    var octets: Double
    var roundTrips: Double
    static func + (left: Work, right: Work) -> Work {
      Work(octets: left.octets + right.octets, roundTrips: left.roundTrips + right.roundTrips)
    }
  }

  func seconds(_ work: Work) -> Double {
    work.roundTrips * mail.roundTripSeconds + work.octets / mail.octetsPerSecond
  }

  // MARK: Server

  func curve(_ way: Way) -> ServerCurve {
    guard let days = way.keptDays else {
      return ServerCurve(
        start: mail.usedOctets, rampDays: 0, rampEnd: mail.usedOctets, growthPerDay: mail.octetsPerDay)
    }
    let rest = max(0, mail.usedOctets - mail.inboxOctets)
    let start = rest + min(mail.inboxOctets, kept(days).octets)
    let rampEnd = rest + (mail.inboxOctetsPerDay + mail.otherOctetsPerDay) * Double(days)
    return ServerCurve(
      start: start, rampDays: Double(days), rampEnd: days == 0 ? start : rampEnd, growthPerDay: mail.otherOctetsPerDay)
  }

  private func kept(_ days: Int) -> (messages: Double, octets: Double) { mail.inboxKept[days] ?? (0, 0) }

  // MARK: POP3

  private var pop3Window: Double { mail.pop3.has("PIPELINING") ? Double(max(1, assumed.pipelineWindow)) : 1 }

  private var pop3Sessions: Double {
    guard let delay = mail.pop3.loginDelaySeconds, delay > 0 else { return assumed.sessionsPerDay }
    return min(assumed.sessionsPerDay, 86_400 / Double(delay))
  }

  private func pop3First(_ days: Int) -> Work {
    let deleted = max(0, mail.inboxMessages - kept(days).messages)
    return Work(
      octets: mail.inboxOctets + assumed.pop3ListOctetsPerMessage * mail.inboxMessages,
      roundTrips: assumed.loginRoundTrips + 3 + (mail.inboxMessages / pop3Window).rounded(.up)
        + (deleted / pop3Window).rounded(.up))
  }

  private func pop3Day(_ days: Int) -> Work {
    let listed = mail.inboxMessagesPerDay * (1 + pop3Sessions * Double(days))
    return Work(
      octets: mail.inboxOctetsPerDay + assumed.pop3ListOctetsPerMessage * listed,
      roundTrips: pop3Sessions * (assumed.loginRoundTrips + 3) + 2 * mail.inboxMessagesPerDay / pop3Window)
  }

  // MARK: IMAP

  private var window: Double { Double(max(1, assumed.pipelineWindow)) }
  private var hasModSeq: Bool { mail.imap.has("CONDSTORE") || mail.imap.has("QRESYNC") }

  /// Asking the state of all mailboxes once.
  private var poll: Work {
    Work(
      octets: assumed.statusOctetsPerMailbox * mail.mailboxes,
      roundTrips: mail.imap.has("LIST-STATUS") ? 1 : max(1, (mail.mailboxes / window).rounded(.up)))
  }

  /// Logins and polls of a day.
  private var watch: Work {
    let hasIdle = mail.imap.has("IDLE")
    let logins = hasIdle ? 1 : assumed.sessionsPerDay
    return Work(
      octets: poll.octets * assumed.sessionsPerDay,
      roundTrips: logins * assumed.loginRoundTrips + (hasIdle ? assumed.idleRenewalsPerDay : 0)
        + poll.roundTrips * assumed.sessionsPerDay)
  }

  private var login: Work { Work(octets: 0, roundTrips: assumed.loginRoundTrips) }

  private var page: Work {
    Work(octets: min(assumed.onlinePageMessages, mail.inboxMessages) * assumed.listOctetsPerMessage, roundTrips: 2)
  }

  private var reading: Work {
    let share = mail.textShare * assumed.textReadShare + mail.attachmentShare * assumed.attachmentOpenedShare
    return Work(octets: mail.inboxOctetsPerDay * share, roundTrips: mail.inboxMessagesPerDay)
  }

  private var headerRecord: Double { mail.headerOctetsPerMessage + assumed.structureOctetsPerMessage }

  private func imapFirst(_ way: Way) -> Work {
    switch way {
    case .imapOnline: return login + page
    case .imapHeaders:
      return login + poll + Work(octets: headerRecord * mail.messages, roundTrips: 2 * mail.mailboxes)
    default:
      let batch = max(1, assumed.fetchBatchMessages * assumed.fetchWindow)
      return login + poll
        + Work(
          octets: mail.octets + assumed.fetchOverheadOctetsPerMessage * mail.messages,
          roundTrips: 2 * mail.mailboxes + (mail.messages / batch).rounded(.up))
    }
  }

  private func imapDay(_ way: Way) -> Work {
    let visits = Work(octets: 0, roundTrips: 2 * min(assumed.sessionsPerDay, mail.messagesPerDay))
    switch way {
    case .imapOnline:
      let looks = assumed.onlineLooksPerDay
      return reading
        + Work(octets: looks * page.octets, roundTrips: looks * (page.roundTrips + assumed.loginRoundTrips))
    case .imapHeaders:
      return watch + visits + reading + Work(octets: headerRecord * mail.messagesPerDay, roundTrips: 0)
    default:
      var work = watch + visits
      work.octets += mail.octetsPerDay + assumed.fetchOverheadOctetsPerMessage * mail.messagesPerDay
      if !hasModSeq {
        work.octets += assumed.sessionsPerDay * assumed.flagOctetsPerMessage * mail.messages
        work.roundTrips += assumed.sessionsPerDay * mail.mailboxes
      }
      if way == .imapSync {
        work.octets += assumed.flagOctetsPerMessage * mail.messagesPerDay
        work.roundTrips += mail.messagesPerDay / window
      }
      return work
    }
  }

  // MARK: All

  func first(_ way: Way) -> Work { way.keptDays.map(pop3First) ?? imapFirst(way) }
  func day(_ way: Way) -> Work { way.keptDays.map(pop3Day) ?? imapDay(way) }

  /// Octets on this computer after the first run, and what a day adds.
  func local(_ way: Way) -> (first: Double, perDay: Double) {
    switch way {
    case .pop3Delete, .pop3Keep7, .pop3Keep30: (mail.inboxOctets, mail.inboxOctetsPerDay)
    case .imapOnline: (0, 0)
    case .imapHeaders: (headerRecord * mail.messages, headerRecord * mail.messagesPerDay)
    case .imapMirror, .imapSync: (mail.octets, mail.octetsPerDay)
    }
  }
}
