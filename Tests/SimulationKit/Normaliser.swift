import MailStore

/// What may differ between two stores that are both right: numbers and names that the store makes up. Each is replaced by
/// how many different ones were seen before it, so the same one must come back in the same places: `UIDVALIDITY 1790000004`
/// becomes `UIDVALIDITY v4`. Nothing else is touched; the clock is the simulation's own.
///
/// The whole list: UIDVALIDITY (also in APPENDUID and COPYUID), UIDLs, EMAILID, THREADID and mailbox numbers, each by
/// account; and MODSEQs, of which only the order counts, among those that are compared at one time.
struct Normaliser {
  enum Kind: String { case validity = "v", uidl = "u", email = "e", thread = "t", mailbox = "b" }

  private struct Key: Hashable {
    var kind: Kind
    var account: String
    var text: String
  }
  private var known: [Key: Int] = [:]
  private var counts: [Key: Int] = [:]

  mutating func name(_ kind: Kind, _ text: String, _ account: String) -> String {
    let key = Key(kind: kind, account: account, text: text)
    if let number = known[key] { return "\(kind.rawValue)\(number)" }
    let number = counts[Key(kind: kind, account: account, text: ""), default: 0] + 1
    counts[Key(kind: kind, account: account, text: "")] = number
    known[key] = number
    return "\(kind.rawValue)\(number)"
  }

  /// An IMAP answer.
  mutating func imap(_ text: String, account: String) -> String {
    guard text.contains("UID") else { return text }
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for piece in text.split(separator: " ", omittingEmptySubsequences: false) {
      if !result.isEmpty || piece.startIndex != text.startIndex { result += " " }
      let isValue = ["UIDVALIDITY ", "APPENDUID ", "COPYUID "].contains { result.hasSuffix($0) }
      let digits = piece.prefix { $0.isASCII && $0.isNumber }
      if isValue, !digits.isEmpty {
        result += name(.validity, String(digits), account) + piece.dropFirst(digits.count)
      } else {
        result += piece
      }
    }
    return result
  }

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
