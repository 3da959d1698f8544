/// What an import or export did, and what comparing source and destination showed.
public struct TransferReport: Sendable, Hashable, Codable {
  public struct Mailbox: Sendable, Hashable, Codable {
    /// As the destination calls it.
    public var name: String
    /// In the source when the work began, and not gone before they could be read.
    public var messages = 0
    /// Octets of those that were read, with CRLF line ends.
    public var bytes: Int64 = 0
    /// Brought by this run.
    public var transferred = 0
    /// Were there already.
    public var present = 0
    /// Have the same fingerprint in source and destination, both read from the disk or the server.
    public var verified = 0
    /// The source has UIDs, and these messages have others in the destination.
    public var renumbered = 0
    /// Messages whose UIDL could not be kept.
    public var newUIDLs = 0
    /// Other messages in the destination: newer mail, or what was deleted in the source since.
    public var others = 0
    /// UIDVALIDITY of the destination is that of the source, so clients keep what they have.
    public var keepsUIDValidity = false
    /// What is worth knowing and no fault, a sentence each.
    public var notes: [String] = []
    /// What is missing or different, a sentence each; the first `TransferLimits.problems`.
    public var problems: [String] = []
    /// All of them, named or not.
    public var problemCount = 0

    public init(name: String) { self.name = name }

    mutating func problem(_ text: String) {
      problemCount += 1
      if problems.count < TransferLimits.problems { problems.append(text) }
    }

    mutating func note(_ text: String) {
      if notes.count < TransferLimits.problems, !notes.contains(text) { notes.append(text) }
    }
  }

  public var mailboxes: [Mailbox] = []
  /// What concerns no single mailbox.
  public var problems: [String] = []
  /// Why the work ended before its end. What it brought stays; a further run goes on from there.
  public var stopped: String?
  /// Source and destination were compared at the end.
  public var isVerified = false

  public init() {}

  /// Everything of the source is in the destination, and was compared if that was asked for.
  public var isClean: Bool {
    stopped == nil && problems.isEmpty
      && mailboxes.allSatisfy { $0.problemCount == 0 && (!isVerified || $0.verified == $0.messages) }
  }

  public var messages: Int { mailboxes.reduce(0) { $0 + $1.messages } }
  public var bytes: Int64 { mailboxes.reduce(0) { $0 + $1.bytes } }
  public var transferred: Int { mailboxes.reduce(0) { $0 + $1.transferred } }
  public var present: Int { mailboxes.reduce(0) { $0 + $1.present } }
  public var verified: Int { mailboxes.reduce(0) { $0 + $1.verified } }

  /// A table and the differences, for people.
  public var text: String {
    var lines: [String] = []
    for mailbox in mailboxes {
      var line = "\(mailbox.name): \(mailbox.messages) messages, \(mailbox.transferred) brought"
      line += ", \(mailbox.present) there before"
      if isVerified { line += ", \(mailbox.verified) verified" }
      if mailbox.renumbered > 0 { line += ", \(mailbox.renumbered) with new UIDs" }
      if mailbox.newUIDLs > 0 { line += ", \(mailbox.newUIDLs) with new UIDLs" }
      if mailbox.others > 0 { line += ", \(mailbox.others) others in the destination" }
      lines.append(line)
      lines += mailbox.notes.map { "  \($0)" }
      lines += mailbox.problems.map { "  PROBLEM: \($0)" }
      let unnamed = mailbox.problemCount - mailbox.problems.count
      if unnamed > 0 { lines.append("  PROBLEM: and \(unnamed) more") }
    }
    lines += problems.map { "PROBLEM: \($0)" }
    lines.append(
      "together: \(messages) messages, \(bytes) octets, \(transferred) brought, \(present) there before"
        + (isVerified ? ", \(verified) verified" : ""))
    if let stopped { lines.append("STOPPED: \(stopped)") }
    lines.append(isClean ? "clean" : "not clean: run it again, or see what is said above")
    return lines.joined(separator: "\n")
  }
}
