/// What a mailbox was found to be. The names of the fields carry their units; octets are RFC822.SIZE octets.
public struct Measurement: Sendable, Hashable, Codable {
  public var account: String
  public var source: MeasuredSource
  /// Seconds since 1970.
  public var measuredAtSeconds: Int64
  public var messages: Int
  public var octets: Int64
  /// Nil: the server does not tell (POP3 never does).
  public var unseenMessages: Int?
  public var inbox: InboxFacts
  /// In order of size.
  public var mailboxes: [MailboxFacts]
  /// In order of time; messages without a date are not in it.
  public var years: [YearFacts]
  public var sizes: SizeDistribution
  public var content: ContentFacts
  public var arrival: Arrival
  /// The fullest of those in `quotas` that count octets; nil: none known. A limit of 0 is taken for none: panels write it so.
  public var quota: QuotaFacts?
  public var quotas: [QuotaFacts]
  public var line: LineFacts
  public var imap: ServiceFacts
  public var pop3: ServiceFacts
  /// What was left out or estimated, a sentence each.
  public var notes: [String]
}

/// The one mailbox that POP3 can see.
public struct InboxFacts: Sendable, Hashable, Codable {
  public var messages: Int
  public var octets: Int64
  public var messagesOfLast7Days: Int
  public var octetsOfLast7Days: Int64
  public var messagesOfLast30Days: Int
  public var octetsOfLast30Days: Int64
}

public struct MailboxFacts: Sendable, Hashable, Codable {
  public var name: String
  public var messages: Int
  public var unseenMessages: Int?
  public var octets: Int64
  public var content: ContentOctets
}

public struct YearFacts: Sendable, Hashable, Codable {
  public var year: Int
  public var messages: Int
  public var octets: Int64
  public var content: ContentOctets
}

/// Octets by what they are.
public struct ContentOctets: Sendable, Hashable, Codable {
  /// Header fields, and the headers and boundaries of parts.
  public var headerOctets: Int64
  /// Text and HTML that people read.
  public var textOctets: Int64
  /// Everything else, as it travels (base64 is a third longer than the file).
  public var attachmentOctets: Int64
  /// Text or attachments: POP3 does not tell them apart.
  public var unsplitOctets: Int64

  public init(
    headerOctets: Int64 = 0, textOctets: Int64 = 0, attachmentOctets: Int64 = 0, unsplitOctets: Int64 = 0
  ) {
    self.headerOctets = headerOctets
    self.textOctets = textOctets
    self.attachmentOctets = attachmentOctets
    self.unsplitOctets = unsplitOctets
  }

  public var octets: Int64 { [headerOctets, textOctets, attachmentOctets, unsplitOctets].total }
}

public struct ContentFacts: Sendable, Hashable, Codable {
  public var octets: ContentOctets
  /// Messages that were looked at; the shares of the others are those of messages of like size.
  public var sampledMessages: Int
  /// Mean over the sample, weighted to stand for all messages; nil: no sample.
  public var headerOctetsPerMessage: Double?
}

public struct QuotaFacts: Sendable, Hashable, Codable {
  public var root: String
  /// `STORAGE` (octets) or `MESSAGE` (messages).
  public var resource: String
  public var usage: Int64
  public var limit: Int64
  public init(root: String, resource: String, usage: Int64, limit: Int64) {
    self.root = root
    self.resource = resource
    self.usage = usage
    self.limit = limit
  }
  /// 0 for empty, 1 for full, more when over.
  public var fill: Double { limit > 0 ? Double(max(usage, 0)) / Double(limit) : usage > 0 ? 1 : 0 }
}

/// The line to the server.
public struct LineFacts: Sendable, Hashable, Codable {
  /// Median; nil: not measured.
  public var roundTripSeconds: Double?
  public var roundTripSamples: Int
  /// Nil: not measured.
  public var octetsPerSecond: Double?
  public var throughputSampleOctets: Int64
  public var throughputSampleSeconds: Double
  /// How, in words.
  public var method: String
  public init(
    roundTripSeconds: Double? = nil, roundTripSamples: Int = 0, octetsPerSecond: Double? = nil,
    throughputSampleOctets: Int64 = 0, throughputSampleSeconds: Double = 0, method: String
  ) {
    // Six digits: a server next door answers in microseconds.
    self.roundTripSeconds = roundTripSeconds?.reported(digits: 6)
    self.roundTripSamples = roundTripSamples
    self.octetsPerSecond = octetsPerSecond?.reported()
    self.throughputSampleOctets = throughputSampleOctets
    self.throughputSampleSeconds = throughputSampleSeconds
    self.method = method
  }
}
