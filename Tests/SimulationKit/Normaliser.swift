import MailStore

/// What may differ between two stores that are both right: numbers and names that the store makes up. Each is replaced by
/// how many different ones were seen before it, so the same one must come back in the same places: `UIDVALIDITY 1790000004`
/// becomes `UIDVALIDITY v4`. Nothing else is touched; the clock is the simulation's own.
///
/// The whole list: UIDVALIDITY (also in APPENDUID and COPYUID), UIDLs, EMAILID, THREADID, MAILBOXID, mailbox numbers and
/// MODSEQs, each by account; access keys, and what URLs are signed with by them. Of MODSEQs in a dump only the order counts, among those that are compared at one time.
struct Normaliser {
  enum Kind: String {
    case validity = "v", uidl = "u", email = "e", thread = "t", mailbox = "b", object = "f", modSeq = "m", key = "k"
  }

  private struct Key: Hashable {
    var kind: Kind
    var account: String
    var text: String
  }
  private var known: [Key: Int] = [:]
  private var counts: [Key: Int] = [:]
  /// MODSEQs by account, in the order in which they were heard of.
  private var modSeqs: [String: [String]] = [:]
  /// Answers hold numbers of several accounts, which are not told apart: none of them is compared.
  var isShared = false

  mutating func name(_ kind: Kind, _ text: String, _ account: String) -> String {
    let key = Key(kind: kind, account: account, text: text)
    if let number = known[key] { return "\(kind.rawValue)\(number)" }
    let number = counts[Key(kind: kind, account: account, text: ""), default: 0] + 1
    counts[Key(kind: kind, account: account, text: "")] = number
    known[key] = number
    if kind == .modSeq { modSeqs[account, default: []].append(text) }
    return "\(kind.rawValue)\(number)"
  }

  /// What a script calls the MODSEQ that was heard of `back` others ago: this store's own number.
  func modSeq(_ back: Int, _ account: String) -> String { modSeqs[account]?.dropLast(back).last ?? "1" }

  private static let values: [(word: String, kind: Kind)] = [
    ("UIDVALIDITY ", .validity), ("APPENDUID ", .validity), ("COPYUID ", .validity), ("MODSEQ ", .modSeq),
    ("EMAILID ", .email), ("THREADID ", .thread), ("MAILBOXID ", .object),
  ]

  /// An IMAP answer.
  mutating func imap(_ text: String, account: String) -> String {
    let text = urls(text)
    guard text.contains("ID") || text.contains("MODSEQ") else { return text }
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for piece in text.split(separator: " ", omittingEmptySubsequences: false) {
      if !result.isEmpty || piece.startIndex != text.startIndex { result += " " }
      let kind = Self.values.first { result.hasSuffix($0.word) }?.kind
      let open = piece.prefix { $0 == "(" }
      let value = piece.dropFirst(open.count).prefix { $0.isASCII && ($0.isNumber || $0.isLetter || $0 == "-") }
      if let kind, value.contains(where: \.isNumber) {
        result +=
          open + (isShared ? "#" : name(kind, String(value), account)) + piece.dropFirst(open.count + value.count)
      } else {
        result += piece
      }
    }
    return result
  }

  /// An answer with URLs: what depends on UIDVALIDITY and on the key goes.
  mutating func urls(_ text: String) -> String {
    guard text.contains("imap://") else { return text }
    var result = ""
    var rest = text[...]
    while let start = rest.firstIndex(of: Self.signature) {
      result += rest[...start]
      rest = rest[rest.index(after: start)...]
      if result.hasSuffix(":internal:") {
        let token = rest.prefix { $0.isHexDigit }
        result += name(.key, String(token), "")
        rest = rest.dropFirst(token.count)
      }
    }
    let parts = (result + rest).split(separator: ";UIDVALIDITY=", omittingEmptySubsequences: false)
    return parts.dropFirst().reduce(String(parts[0])) { $0 + ";UIDVALIDITY=#" + $1.drop { $0.isNumber } }
  }

  private static let signature: Character = ":"

  /// A POP3 answer to UIDL.
  mutating func uidls(_ text: String, account: String) -> String {
    text.split(separator: "\r\n", omittingEmptySubsequences: false).map { line in
      let words = line.split(separator: " ")
      // `+OK 1 uidl`, or `1 uidl` behind the status line.
      if words.count == 3, words[0] == "+OK", Int(words[1]) != nil {
        return "+OK \(words[1]) \(name(.uidl, String(words[2]), account))"
      }
      if words.count == 2, Int(words[0]) != nil { return "\(words[0]) \(name(.uidl, String(words[1]), account))" }
      return String(line)
    }.joined(separator: "\r\n")
  }
}
