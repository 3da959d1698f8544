/// What the sessions of a simulation do, in an order that leaves nothing to chance. It is made from a seed
/// (`ScriptGenerator`), is cut down to what matters when two stores differ (`Shrinker`), and has a form that people read and
/// files keep (docs/simulation.md).
public struct SimulationScript: Sendable, Hashable {
  public struct Owner: Sendable, Hashable {
    public var name: String
    public var octets: Int64?
    public var messages: Int64?
    /// -1 never, 0 on retrieval, else days.
    public var expireDays: Int
    public init(name: String, octets: Int64? = nil, messages: Int64? = nil, expireDays: Int = -1) {
      self.name = name
      self.octets = octets
      self.messages = messages
      self.expireDays = expireDays
    }
  }

  public enum Speech: String, Sendable, Hashable {
    case imap, imap2, pop3, lmtp
  }

  public struct Client: Sendable, Hashable {
    public var number: Int
    public var speech: Speech
    /// Empty for LMTP.
    public var account: String
    public init(number: Int, speech: Speech, account: String) {
      self.number = number
      self.speech = speech
      self.account = account
    }
  }

  public enum Step: Sendable, Hashable {
    /// A command of one session, to be answered before the next step.
    case say(Int, String)
    /// A session's connection is cut.
    case drop(Int)
    /// The clock goes on by so many seconds.
    case clock(Int)
    case quota(String, octets: Int64?, messages: Int64?, mailboxes: Int64? = nil)
    /// A message comes in with the numbers it had elsewhere; the mailbox is made if need be.
    case bring(Imported)
    /// All sessions end, the store is closed and opened again.
    case reopen
    case compact
    /// Messages retrieved long enough ago go.
    case expire
    /// Both stores are compared whole, and verified.
    case compare
  }

  public struct Imported: Sendable, Hashable {
    public var account: String
    public var mailbox: String
    public var uidValidity: UInt32?
    public var uid: UInt32?
    public var uidl: String?
    public var message: Int
  }

  /// May set everybody's bounds over IMAP.
  static let quotaAdministrator = "budi"

  public var seed: UInt64
  /// Days that expunged messages are kept.
  public var retention = 0
  /// The servers work in small slices, so that few messages are many.
  public var smallSlices = false
  /// No mailbox stays in memory when nobody has it open.
  public var forgetsViews = false
  /// Accounts share mailboxes. Numbers of several accounts then come in one answer, and are not compared.
  public var isShared = false
  public var owners: [Owner] = []
  public var clients: [Client] = []
  public var steps: [Step] = []

  public init(seed: UInt64) { self.seed = seed }

  public func client(_ number: Int) -> Client? { clients.first { $0.number == number } }
}

extension SimulationScript: CustomStringConvertible {
  public var description: String {
    var lines = ["@seed \(seed)"]
    if retention > 0 { lines.append("@retention \(retention)") }
    if smallSlices { lines.append("@slices small") }
    if forgetsViews { lines.append("@views none") }
    if isShared { lines.append("@sharing on") }
    for owner in owners {
      lines.append(
        "@account \(owner.name) octets \(Self.text(owner.octets)) messages \(Self.text(owner.messages)) "
          + "expire \(owner.expireDays)")
    }
    for client in clients {
      lines.append("@session \(client.number) \(client.speech.rawValue) \(client.account)".trimmed)
    }
    return (lines + steps.map(\.description)).joined(separator: "\n") + "\n"
  }

  static func text(_ bound: Int64?) -> String { bound.map { "\($0)" } ?? "none" }
}

extension SimulationScript.Step: CustomStringConvertible {
  public var description: String {
    switch self {
    case .say(let client, let text): "\(client) \(text)"
    case .drop(let client): "@drop \(client)"
    case .clock(let seconds): "@clock \(seconds)"
    case .quota(let name, let octets, let messages, let mailboxes):
      "@quota \(name) octets \(SimulationScript.text(octets)) messages \(SimulationScript.text(messages)) mailboxes "
        + SimulationScript.text(mailboxes)
    case .bring(let item):
      "@import \(item.account) \(item.mailbox) validity \(item.uidValidity.map { "\($0)" } ?? "none") uid "
        + "\(item.uid.map { "\($0)" } ?? "none") uidl \(item.uidl ?? "none") message \(item.message)"
    case .reopen: "@reopen"
    case .compact: "@compact"
    case .expire: "@expire"
    case .compare: "@compare"
    }
  }

  /// What a campaign counts.
  public var kind: String {
    guard case .say(_, let text) = self else {
      return String(description.prefix { $0 != " " })
    }
    let words = text.split(separator: " ", maxSplits: 2).map(String.init)
    return words.first == "UID" ? words.prefix(2).joined(separator: " ") : words.first ?? ""
  }
}

public struct ScriptError: Error, CustomStringConvertible {
  public var description: String
  init(_ description: String) { self.description = description }
}

extension SimulationScript {
  /// Reads what `description` prints. Lines that begin with `#` are comments.
  public init(parsing text: String) throws {
    self.init(seed: 0)
    for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let line = String(line).trimmed
      if line.isEmpty || line.hasPrefix("#") { continue }
      do { try take(line) } catch { throw ScriptError("line \(number + 1): \(error)") }
    }
  }

  private mutating func take(_ line: String) throws {
    let words = line.split(separator: " ").map(String.init)
    func word(_ index: Int) throws -> String {
      guard index < words.count else { throw ScriptError("something is missing in “\(line)”") }
      return words[index]
    }
    func number(_ index: Int) throws -> Int {
      guard let value = Int(try word(index)) else { throw ScriptError("“\(try word(index))” is no number") }
      return value
    }
    func bound(_ index: Int) throws -> Int64? { try word(index) == "none" ? nil : Int64(try number(index)) }
    switch words[0] {
    case "@seed": seed = UInt64(try word(1)) ?? 0
    case "@retention": retention = try number(1)
    case "@slices": smallSlices = try word(1) == "small"
    case "@views": forgetsViews = try word(1) == "none"
    case "@sharing": isShared = try word(1) == "on"
    case "@account":
      owners.append(
        Owner(name: try word(1), octets: try bound(3), messages: try bound(5), expireDays: try number(7)))
    case "@session":
      guard let speech = Speech(rawValue: try word(2)) else { throw ScriptError("no such protocol: \(try word(2))") }
      clients.append(Client(number: try number(1), speech: speech, account: words.count > 3 ? words[3] : ""))
    case "@drop": steps.append(.drop(try number(1)))
    case "@clock": steps.append(.clock(try number(1)))
    case "@quota":
      steps.append(
        .quota(
          try word(1), octets: try bound(3), messages: try bound(5), mailboxes: words.count > 7 ? try bound(7) : nil))
    case "@import":
      steps.append(
        .bring(
          Imported(
            account: try word(1), mailbox: try word(2), uidValidity: try bound(4).map { UInt32(clamping: $0) },
            uid: try bound(6).map { UInt32(clamping: $0) }, uidl: try word(8) == "none" ? nil : try word(8),
            message: try number(10))))
    case "@reopen": steps.append(.reopen)
    case "@compact": steps.append(.compact)
    case "@expire": steps.append(.expire)
    case "@compare": steps.append(.compare)
    default:
      guard let client = Int(words[0]), client > 0 else { throw ScriptError("what is “\(line)”?") }
      steps.append(.say(client, String(line.dropFirst(words[0].count + 1))))
    }
  }
}

extension String {
  /// Without blanks at both ends.
  var trimmed: String {
    let blank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0 == "\r" }
    var text = self[...]
    while let first = text.first, blank(first) { text.removeFirst() }
    while let last = text.last, blank(last) { text.removeLast() }
    return String(text)
  }
}
