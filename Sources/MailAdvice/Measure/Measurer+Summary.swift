import MailClient

extension Measurer {
  /// What was asked beside the messages.
  struct Surroundings {
    var service: ServiceFacts
    var other: ServiceFacts?
    var quotas: [QuotaFacts]
    var line: LineFacts
  }

  func summary(
    _ census: Census, _ sums: CensusSums, _ shares: ContentShares, skipped: [ProbedMailbox], _ around: Surroundings,
    _ notes: Notes
  ) -> Measurement {
    let boxes = mailboxes(census, sums, shares, skipped: skipped)
    let octets = boxes.map(\.octets).total
    var inbox = sums.inbox
    if let index = census.mailboxes.firstIndex(where: \.isInbox) {
      // STATUS knows of messages that were not listed.
      let facts = Self.facts(index, census, sums, shares)
      (inbox.messages, inbox.octets) = (facts.messages, facts.octets)
    }
    let content = boxes.reduce(ContentOctets()) { $0.adding($1.content) }
    let unseen = boxes.compactMap(\.unseenMessages)
    return Measurement(
      account: probe.account, source: probe.source, measuredAtSeconds: now,
      messages: boxes.reduce(0) { $0 + $1.messages },
      octets: octets, unseenMessages: unseen.isEmpty ? nil : unseen.reduce(0, +), inbox: inbox, mailboxes: boxes,
      years: sums.byYear.sorted { $0.key < $1.key }.map { year, sums in
        YearFacts(
          year: year, messages: sums.totalMessages, octets: sums.totalOctets, content: shares.content(of: sums))
      },
      sizes: SizeDistribution(census.entries.map(\.octets)),
      content: ContentFacts(
        octets: content, sampledMessages: shares.sampled,
        headerOctetsPerMessage: shares.headerOctetsPerMessage(sums.all)?.reported()),
      arrival: Arrival(inbox: sums.inboxWeeks.rate(), others: sums.otherWeeks.rate()),
      quota: around.quotas.filter { $0.resource == "STORAGE" && $0.limit > 0 }.max { $0.fill < $1.fill },
      quotas: around.quotas,
      line: around.line, imap: service(.imap, around), pop3: service(.pop3, around), notes: notes.sentences)
  }

  private func service(_ mailProtocol: MailProtocol, _ around: Surroundings) -> ServiceFacts {
    [around.service, around.other].compactMap { $0 }.first { $0.mailProtocol == mailProtocol }
      ?? ServiceFacts(mailProtocol, .unknown)
  }

  private func mailboxes(
    _ census: Census, _ sums: CensusSums, _ shares: ContentShares, skipped: [ProbedMailbox]
  ) -> [MailboxFacts] {
    var boxes = census.mailboxes.indices.map { Self.facts($0, census, sums, shares) }
    let mean = sums.all.totalMessages > 0 ? Double(sums.all.totalOctets) / Double(sums.all.totalMessages) : 0
    for mailbox in skipped {
      let messages = max(0, mailbox.messages ?? 0)
      let octets = mailbox.octets.map { max(0, $0) } ?? Int64(octets: mean * Double(messages))
      boxes.append(
        MailboxFacts(
          name: mailbox.name, messages: messages, unseenMessages: mailbox.unseen, octets: octets,
          content: ContentOctets(unsplitOctets: octets)))
    }
    return boxes.sorted { ($1.octets, $0.name) < ($0.octets, $1.name) }
  }

  /// A mailbox by its listed messages; where not all were listed, by STATUS.
  private static func facts(
    _ index: Int, _ census: Census, _ sums: CensusSums, _ shares: ContentShares
  ) -> MailboxFacts {
    let (mailbox, listed) = (census.mailboxes[index], sums.byMailbox[index])
    var facts = MailboxFacts(
      name: mailbox.name, messages: listed.totalMessages, unseenMessages: mailbox.unseen, octets: listed.totalOctets,
      content: shares.content(of: listed))
    guard census.cut.contains(index), let told = mailbox.messages, told > facts.messages else { return facts }
    let scaled = facts.messages > 0 ? Double(facts.octets) / Double(facts.messages) * Double(told) : 0
    let octets = max(facts.octets, mailbox.octets ?? Int64(octets: scaled))
    facts.content.unsplitOctets = facts.content.unsplitOctets.adding(octets.subtracting(facts.octets))
    (facts.messages, facts.octets) = (told, octets)
    return facts
  }
}

extension ContentOctets {
  func adding(_ other: ContentOctets) -> ContentOctets {
    ContentOctets(
      headerOctets: headerOctets.adding(other.headerOctets), textOctets: textOctets.adding(other.textOctets),
      attachmentOctets: attachmentOctets.adding(other.attachmentOctets),
      unsplitOctets: unsplitOctets.adding(other.unsplitOctets))
  }
}
