import IMAPCore
import MailFormat
import MailStore
import NIOCore
import SearchText

/// Turns search keys into nodes for one view.
struct SearchCompiler {
  let view: MailboxView
  let isRev2: Bool
  /// In upper case; nil stands for UTF-8, of which ASCII is a part (RFC 9051 §6.4.4).
  let charset: String?
  /// Texts are compared by it (RFC 5255 §4.2).
  let collation: Collation
  /// Seconds since 1970-01-01; the same for all messages of one search.
  let now: Int64

  init(
    _ command: SearchCommand, _ view: MailboxView, isRev2: Bool, _ collation: Collation, now: Int64
  ) throws(CommandError) {
    self.collation = collation
    self.view = view
    self.isRev2 = isRev2
    self.now = now
    if let charset = command.charset, charset != "UTF-8", charset != "US-ASCII" {
      // RFC 9051 §6.4.4: NO, never BAD.
      // To iconv the empty name is the one of the place where the server runs.
      guard !charset.isEmpty, TextDecoding.isKnown(charset: charset) else {
        throw .no(.badCharset(["US-ASCII", "UTF-8"]), "Unknown charset")
      }
      self.charset = charset
    } else {
      self.charset = nil
    }
  }

  func compile(_ key: SearchKey) -> SearchNode {
    switch key {
    case .all: .all
    case .and(let keys): .and(keys.map(compile))
    case .or(let left, let right): .or([compile(left), compile(right)])
    case .not(let key): .not(compile(key))
    case .sequence(let set): .indexes(view.indexes(of: set, uid: false).indexes)
    case .uid(let set): .indexes(view.indexes(of: set, uid: true).indexes)
    case .flag(let flags): self.flags(flags)
    case .unflag(let flags): .not(self.flags(flags))
    case .new: .and([recent, .not(.flags(.seen))])
    case .keyword(let name): keyword(name)
    case .unkeyword(let name): .not(keyword(name))
    case .before(let day): .internalDay(.before, day.number)
    case .on(let day): .internalDay(.on, day.number)
    case .since(let day): .internalDay(.since, day.number)
    case .sentBefore(let day): .sentDay(.before, day.number)
    case .sentOn(let day): .sentDay(.on, day.number)
    case .sentSince(let day): .sentDay(.since, day.number)
    // RFC 5032 §2
    case .older(let interval): .receivedUntil(now - Int64(interval))
    case .younger(let interval): .receivedFrom(now - Int64(interval))
    case .larger(let size): .larger(size)
    case .smaller(let size): .smaller(size)
    case .address(_, let text), .subject(let text), .header(_, let text), .body(let text), .text(let text):
      node(key, needle(text))
    case .fuzzy(let key): fuzzy(key)
    // What it stands for has been put in its place.
    case .filter: .none
    // RFC 7162 §3.1.5: with one MODSEQ for all metadata of a message the entry is passed over.
    case .modSeq(let modSeq, _): .modSeq(modSeq)
    case .emailID(let id): .emailID(id)
    case .threadID(let id): .threadID(id)
    case .savedBefore(let day): .savedDay(.before, day.number)
    case .savedOn(let day): .savedDay(.on, day.number)
    case .savedSince(let day): .savedDay(.since, day.number)
    // RFC 8514 §4.3
    case .saveDateSupported: .all
    case .uidAfter(let uid): indexes(uid == .max ? 0..<0 : view.told.lowerBound(uid + 1)..<view.told.count)
    case .uidBefore(let uid): indexes(0..<view.told.lowerBound(uid))
    }
  }

  /// A text in the place that `key` names.
  func node(_ key: SearchKey, _ needle: TextNeedle) -> SearchNode {
    switch key {
    case .address(.bcc, _): header("bcc", needle)
    case .address(.cc, _): header("cc", needle)
    case .address(.from, _): header("from", needle)
    case .address(.to, _): header("to", needle)
    case .subject: header("subject", needle)
    case .header(let name, _): header(name, needle)
    case .body: .body(needle)
    default: .text(needle)
    }
  }

  private func indexes(_ range: Range<Int>) -> SearchNode { .indexes(IndexRanges(range)) }

  private func flags(_ flags: FlagSet) -> SearchNode {
    let stored = SystemFlags(rawValue: flags.intersection(.storable).rawValue)
    guard flags.contains(.recent) else { return .flags(stored) }
    return stored.isEmpty ? recent : .and([.flags(stored), recent])
  }

  /// `\Recent` is no more in IMAP4rev2 (RFC 9051 appendix E.12).
  private var recent: SearchNode { isRev2 || view.recent.isEmpty ? .none : .recent(view.recent) }

  private func keyword(_ name: String) -> SearchNode {
    let bits = view.told.bits(of: [name])
    return bits == 0 ? .none : .keyword(bits)
  }

  private func header(_ name: String, _ needle: TextNeedle) -> SearchNode {
    let lower = Array(name.lowercased().utf8)
    return .header(.init(name: lower, needle: needle, isCommon: CommonHeaders.contains(lower)))
  }

  /// Octets that are no UTF-8 are looked for as they are (RFC 5255 §4.6).
  func needle(_ text: ByteBuffer) -> TextNeedle {
    charset == nil
      ? TextNeedle(Array(text.readableBytesView), collation) : TextNeedle(string(text), collation)
  }

  func string(_ text: ByteBuffer) -> String {
    if let charset, let converted = TextDecoding.toUTF8(text.readableBytesSpan, charset: charset) {
      return String(buffer: converted)
    }
    return String(buffer: text)
  }
}
