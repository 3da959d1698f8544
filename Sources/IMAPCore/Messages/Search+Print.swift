import Bytes
public import NIOCore

extension CommandPrinter {
  mutating func print(_ command: SearchCommand) {
    if let returns = command.returns { print(returns, command.partial, command.updateItems) }
    if let charset = command.charset {
      word(" CHARSET ")
      astring(charset)
    }
    space()
    printKeys(command.key)
  }

  mutating func print(_ returns: SearchCommand.Return, _ partial: PartialRange?, _ updateItems: [FetchItem]) {
    let options: [(SearchCommand.Return, String)] = [
      (.min, "MIN"), (.max, "MAX"), (.all, "ALL"), (.count, "COUNT"), (.save, "SAVE"),
      (.relevancy, "RELEVANCY"), (.context, "CONTEXT"), (.update, "UPDATE"),
    ]
    text(" RETURN (\(options.filter { returns.contains($0.0) }.map(\.1).joined(separator: " "))")
    // UPDATE stands last of the options, and what it wants behind it.
    if returns.contains(.update), !updateItems.isEmpty {
      space()
      print(updateItems)
    }
    if let partial {
      word(returns.isEmpty ? "PARTIAL " : " PARTIAL ")
      buffer.writePartialRange(partial)
    }
    word(")")
  }

  /// search-key *(SP search-key)
  mutating func printKeys(_ key: SearchKey) {
    if case .and(let keys) = key { printRow(keys) } else { print(key) }
  }

  private mutating func printRow(_ keys: [SearchKey]) {
    for (index, key) in keys.enumerated() {
      if index > 0 { space() }
      print(key)
    }
  }

  mutating func print(_ key: SearchKey) {
    switch key {
    case .all: word("ALL")
    case .new: word("NEW")
    case .and(let keys):
      word("(")
      printRow(keys)
      word(")")
    case .or(let first, let second):
      word("OR ")
      print(first)
      space()
      print(second)
    case .not(let key):
      word("NOT ")
      print(key)
    case .fuzzy(let key):
      word("FUZZY ")
      print(key)
    case .sequence(let set): self.set(set)
    case .uid(let set):
      word("UID ")
      self.set(set)
    case .flag(let flag): word(flag.searchWord)
    case .unflag(.recent): word("OLD")
    case .unflag(let flag):
      word("UN")
      word(flag.searchWord)
    case .keyword(let keyword): text("KEYWORD \(keyword)")
    case .unkeyword(let keyword): text("UNKEYWORD \(keyword)")
    case .larger(let size): text("LARGER \(size)")
    case .smaller(let size): text("SMALLER \(size)")
    case .filter(let name): text("FILTER \(name)")
    case .older(let seconds): text("OLDER \(seconds)")
    case .younger(let seconds): text("YOUNGER \(seconds)")
    case .before(let day): print("BEFORE ", day)
    case .on(let day): print("ON ", day)
    case .since(let day): print("SINCE ", day)
    case .sentBefore(let day): print("SENTBEFORE ", day)
    case .sentOn(let day): print("SENTON ", day)
    case .sentSince(let day): print("SENTSINCE ", day)
    case .savedBefore(let day): print("SAVEDBEFORE ", day)
    case .savedOn(let day): print("SAVEDON ", day)
    case .savedSince(let day): print("SAVEDSINCE ", day)
    case .saveDateSupported: word("SAVEDATESUPPORTED")
    case .emailID(let id): text("EMAILID \(id)")
    case .threadID(let id): text("THREADID \(id)")
    case .uidAfter(let uid): text("UIDAFTER \(uid)")
    case .uidBefore(let uid): text("UIDBEFORE \(uid)")
    case .modSeq(let modSeq, let entry):
      word("MODSEQ ")
      if let entry {
        buffer.writeQuoted(entry.name)
        text(" \(entry.kind.rawValue) ")
      }
      text("\(modSeq)")
    default: printText(key)
    }
  }

  private mutating func printText(_ key: SearchKey) {
    switch key {
    case .address(.bcc, let text): print("BCC ", text)
    case .address(.cc, let text): print("CC ", text)
    case .address(.from, let text): print("FROM ", text)
    case .address(.to, let text): print("TO ", text)
    case .subject(let text): print("SUBJECT ", text)
    case .body(let text): print("BODY ", text)
    case .text(let text): print("TEXT ", text)
    case .header(let name, let text):
      word("HEADER ")
      astring(name)
      print(" ", text)
    default: break
    }
  }

  private mutating func print(_ word: StaticString, _ day: IMAPDay) {
    self.word(word)
    buffer.writeDay(day)
  }

  private mutating func print(_ word: StaticString, _ text: ByteBuffer) {
    self.word(word)
    astring(text.readableBytesSpan)
  }
}

extension FlagSet {
  /// The search key for one flag.
  var searchWord: StaticString {
    switch self {
    case .answered: "ANSWERED"
    case .deleted: "DELETED"
    case .draft: "DRAFT"
    case .flagged: "FLAGGED"
    case .recent: "RECENT"
    default: "SEEN"
    }
  }
}

extension ByteBuffer {
  /// `* SEARCH 2 3 6` (RFC 3501 §7.2.5): IMAP4rev1 without RETURN.
  @inlinable
  public mutating func writeSearch(_ numbers: some Sequence<UInt32>, modSeq: UInt64? = nil) {
    writeStaticString("* SEARCH")
    for number in numbers {
      writeSpace()
      writeDecimal(number)
    }
    writeFoundModSeq(modSeq)
    writeCRLF()
  }

  /// search-sort-mod-seq: what stands behind the numbers of SEARCH and SORT (RFC 7162 §3.1.6, §3.1.9).
  @inlinable
  public mutating func writeFoundModSeq(_ modSeq: UInt64?) {
    guard let modSeq else { return }
    writeStaticString(" (MODSEQ ")
    writeDecimal(modSeq)
    writeStaticString(")")
  }

  /// `* ESEARCH (TAG "a1") UID COUNT 17 ALL 4:18,21,28` (RFC 9051 §7.3.4).
  public mutating func writeESearch(_ response: ESearchResponse) {
    writeStaticString("* ESEARCH")
    if let tag = response.tag {
      writeStaticString(" (TAG ")
      writeQuoted(tag)
      if let correlator = response.correlator { writeImmutableBuffer(correlator) }
      writeStaticString(")")
    }
    if response.uid { writeStaticString(" UID") }
    writeESearchItem(" MIN ", response.min)
    writeESearchItem(" MAX ", response.max)
    if let all = response.all, !all.isEmpty {
      writeStaticString(" ALL ")
      // RFC 5267 §3.2: of SORT they come in its order, and only runs that ascend are drawn together.
      writeOrderedSet(all)
    }
    writeESearchItem(" COUNT ", response.count)
    if let partial = response.partial {
      writeStaticString(" PARTIAL (")
      writePartialRange(partial.range)
      writeSpace()
      // RFC 9394 §3.1
      if partial.numbers.isEmpty { writeStaticString("NIL") } else { writeOrderedSet(partial.numbers) }
      writeStaticString(")")
    }
    writeESearchItem(" MODSEQ ", response.modSeq)
    if let scores = response.relevancy, !scores.isEmpty {
      for (index, score) in scores.enumerated() {
        writeStaticString(index == 0 ? " RELEVANCY (" : " ")
        writeDecimal(score)
      }
      writeStaticString(")")
    }
    writeCRLF()
  }

  private mutating func writeESearchItem(_ word: StaticString, _ number: (some BinaryInteger)?) {
    guard let number else { return }
    writeStaticString(word)
    writeDecimal(number)
  }
}
