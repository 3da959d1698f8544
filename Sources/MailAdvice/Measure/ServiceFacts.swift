public import MailClient

/// What one protocol of the server offers.
public struct ServiceFacts: Sendable, Hashable, Codable {
  public enum Availability: String, Sendable, Hashable, Codable {
    case offered
    case notOffered
    /// Nobody has looked.
    case unknown
  }
  public var mailProtocol: MailProtocol
  public var availability: Availability
  /// Upper case, sorted.
  public var capabilities: [String]
  /// POP3's EXPIRE (RFC 2449 §6.7): days a message stays after it was retrieved; 0: it goes at once; nil: it stays.
  public var expireDays: Int?
  /// POP3's LOGIN-DELAY (RFC 2449 §6.5).
  public var loginDelaySeconds: Int?

  public init(
    _ mailProtocol: MailProtocol, _ availability: Availability, capabilities: some Sequence<String> = [],
    expireDays: Int? = nil, loginDelaySeconds: Int? = nil
  ) {
    self.mailProtocol = mailProtocol
    self.availability = availability
    self.capabilities = Set(capabilities).sorted()
    self.expireDays = expireDays
    self.loginDelaySeconds = loginDelaySeconds
  }

  public func has(_ capability: String) -> Bool { capabilities.contains(capability) }
}

/// A capability and what it is good for here.
public struct CapabilityMeaning: Sendable, Hashable {
  public var name: String
  public var isOffered: Bool
  public var meaning: String
}

extension ServiceFacts {
  /// The capabilities that matter for the choice, in a fixed order; empty when the protocol is not offered.
  public var meanings: [CapabilityMeaning] {
    guard availability == .offered else { return [] }
    return mailProtocol == .imap ? imapMeanings : pop3Meanings
  }

  private func meaning(_ name: String, _ isOffered: Bool, _ with: String, _ without: String) -> CapabilityMeaning {
    CapabilityMeaning(name: name, isOffered: isOffered, meaning: isOffered ? with : without)
  }

  private var imapMeanings: [CapabilityMeaning] {
    let resync = has("QRESYNC") || has("CONDSTORE")
    return [
      meaning("IDLE", has("IDLE"), "new mail shows at once", "new mail shows at the next look"),
      meaning(
        has("QRESYNC") || !resync ? "QRESYNC" : "CONDSTORE", resync, "a sync asks only for what has changed",
        "each sync reads the flags of every message again"),
      meaning("COMPRESS", has("COMPRESS=DEFLATE"), "text travels in less than half", "text travels as it is"),
      meaning("MOVE", has("MOVE"), "moving mail is one step", "moving is copy and delete"),
      meaning(
        "UIDPLUS", has("UIDPLUS"), "a sync knows what became of its messages",
        "a sync must look for what it has stored"),
      meaning("QUOTA", has("QUOTA"), "the server tells how full it is", "the server does not tell how full it is"),
    ]
  }

  private var pop3Meanings: [CapabilityMeaning] {
    var rows = [
      meaning(
        "PIPELINING", has("PIPELINING"), "many messages a round trip", "one message a round trip"),
      meaning(
        "UIDL", has("UIDL"), "what is kept is not fetched twice",
        "messages that are kept can't be told from new ones for sure"),
      meaning("TOP", has("TOP"), "headers can be looked at alone", "a look at a header costs the message"),
    ]
    switch expireDays {
    case nil: break
    case 0?: rows.append(meaning("EXPIRE", true, "the server deletes what was fetched, asked or not", ""))
    case let days?:
      rows.append(meaning("EXPIRE", true, "the server deletes what was fetched after \(Human.days(Double(days)))", ""))
    }
    if let loginDelaySeconds {
      rows.append(meaning("LOGIN-DELAY", true, "one login in \(Human.duration(Double(loginDelaySeconds)))", ""))
    }
    return rows
  }
}
