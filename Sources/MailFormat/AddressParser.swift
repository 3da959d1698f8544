import Bytes

/// Reads address lists (RFC 5322 §3.4, obsolete forms §4.4), tolerantly.
///
/// Where the syntax is broken the result is what the common servers give: a missing local part or domain becomes
/// `MISSING_MAILBOX` or `MISSING_DOMAIN`, an angle address that does not end `SYNTAX_ERROR`; what follows an address
/// without a comma between is not read.
struct AddressParser {
  private static let missingMailbox = Array("MISSING_MAILBOX".utf8)
  private static let missingDomain = Array("MISSING_DOMAIN".utf8)
  private static let syntaxError = Array("SYNTAX_ERROR".utf8)
  private static let invalidRoute = Array("INVALID_ROUTE".utf8)

  private let limit: Int
  private var scratch = AddressScratch()
  private var comment: Range<Int>?

  init(limit: Int = MIMELimits.addresses) {
    self.limit = limit
  }

  /// Calls `body` for each address and group marker until it returns false. Returns how many there were.
  @discardableResult
  mutating func parse(_ bytes: RawSpan, _ range: Range<Int>, _ body: (borrowing AddressScratch) -> Bool) -> Int {
    var reader = FieldReader(bytes, range)
    var count = 0
    var inGroup = false
    while count < limit {
      guard skip(&reader), let byte = reader.peek else { break }
      if byte == 0x2C {
        reader.position += 1  // RFC 5322 §4.4: obsolete lists may have empty members.
        continue
      }
      if inGroup, byte == 0x3B {
        reader.position += 1
        inGroup = false
        scratch.clear()
        count += 1
        guard body(scratch) else { return count }
        guard skip(&reader), reader.take(0x2C) else { break }
        continue
      }
      scratch.clear()
      comment = nil
      address(&reader, inGroup: inGroup)
      let startsGroup = scratch.isGroupStart
      if !startsGroup { complete() }
      count += 1
      guard body(scratch) else { return count }
      if startsGroup {
        inGroup = true
        continue
      }
      if reader.peek == 0x2C {
        reader.position += 1
      } else if !(inGroup && reader.peek == 0x3B) {
        break
      }
    }
    if inGroup {
      scratch.clear()
      count += 1
      _ = body(scratch)
    }
    return count
  }

  /// Skips blanks and comments, noting the last comment.
  private mutating func skip(_ reader: inout FieldReader) -> Bool {
    while let byte = reader.peek {
      if byte.isWhitespace {
        reader.position += 1
      } else if byte == 0x28 {
        guard let content = reader.comment() else { return false }
        comment = content
      } else {
        return true
      }
    }
    return true
  }

  /// Fills in what an address must have.
  private mutating func complete() {
    if scratch.mailbox.isEmpty { scratch.mailbox.append(contentsOf: Self.missingMailbox) }
    if scratch.host.isEmpty { scratch.host.append(contentsOf: Self.missingDomain) }
    scratch.hasMailbox = true
    scratch.hasHost = true
  }

  /// One address, or the name and colon of a group.
  private mutating func address(_ reader: inout FieldReader, inGroup: Bool) {
    // A phrase, which may turn out to be a local part. `words` counts atoms (dots in them) and quoted strings; dots between
    // words are kept, as RFC 5322 §4.1 obs-phrase and §4.4 obs-local-part both allow them.
    var words = 0
    var quoted = false
    var local = true
    var afterDot = true
    while let byte = reader.peek {
      if byte == .quote {
        guard let string = reader.quotedString() else {
          return scratch.clear()
        }
        if words > 0 { appendSpace() }
        appendPhrase(reader.span, string.content, escaped: !string.plain)
        if local { local = afterDot }
        if local { appendLocal(reader.span, string.content, escaped: !string.plain) }
        afterDot = false
        quoted = true
      } else {
        let atom = reader.atom(withDots: true)
        if atom.isEmpty { break }
        if words > 0 { appendSpace() }
        for offset in atom { scratch.name.append(reader.span.at(offset)) }
        if local { local = afterDot || reader.span.at(atom.lowerBound) == 0x2E }
        if local { for offset in atom { scratch.mailbox.append(reader.span.at(offset)) } }
        afterDot = reader.span.at(atom.upperBound - 1) == 0x2E
      }
      words += 1
      guard skip(&reader) else { break }
    }
    switch reader.peek {
    case 0x3C:
      scratch.mailbox.removeAll(keepingCapacity: true)
      angleAddress(&reader)
    case 0x3A where !inGroup:
      reader.position += 1
      scratch.mailbox.removeAll(keepingCapacity: true)
      swap(&scratch.mailbox, &scratch.name)
      scratch.name.removeAll(keepingCapacity: true)
      scratch.hasMailbox = true
    case 0x40 where local:
      reader.position += 1
      scratch.name.removeAll(keepingCapacity: true)
      _ = domain(&reader)
      nameFromComment(reader.span)
    default:
      lonePhrase(reader, isAtom: words == 1 && !quoted, isEmpty: words == 0)
    }
  }

  /// Words that no address follows: one atom is a local part, anything else a name.
  private mutating func lonePhrase(_ reader: borrowing FieldReader, isAtom: Bool, isEmpty: Bool) {
    if isAtom {
      scratch.name.removeAll(keepingCapacity: true)
      nameFromComment(reader.span)
    } else {
      scratch.mailbox.removeAll(keepingCapacity: true)
      scratch.hasName = !isEmpty
      collapseName()
    }
  }

  /// `<[route:]local@domain>` (RFC 5322 §3.4, §4.4).
  private mutating func angleAddress(_ reader: inout FieldReader) {
    reader.position += 1
    scratch.hasName = !scratch.name.isEmpty
    collapseName()
    guard skip(&reader) else { return }
    if reader.peek == 0x40, !route(&reader) {
      scratch.route.removeAll(keepingCapacity: true)
      scratch.route.append(contentsOf: Self.invalidRoute)
      scratch.hasRoute = true
    }
    var afterDot = true
    while let byte = reader.peek {
      if byte == .quote {
        guard afterDot, let string = reader.quotedString() else { break }
        appendLocal(reader.span, string.content, escaped: !string.plain)
        afterDot = false
      } else {
        guard afterDot || byte == 0x2E else { break }
        let atom = reader.atom(withDots: true)
        if atom.isEmpty { break }
        for offset in atom { scratch.mailbox.append(reader.span.at(offset)) }
        afterDot = reader.span.at(atom.upperBound - 1) == 0x2E
      }
      guard skip(&reader) else { break }
    }
    if reader.take(0x40) { _ = domain(&reader) }
    if reader.take(0x3E) {
      _ = skip(&reader)
    } else {
      scratch.host.removeAll(keepingCapacity: true)
      scratch.host.append(contentsOf: Self.syntaxError)
    }
  }

  /// `@a,@b:`; false when there is no colon at its end.
  private mutating func route(_ reader: inout FieldReader) -> Bool {
    while true {
      guard skip(&reader) else { return false }
      if reader.take(0x2C) { continue }
      guard reader.take(0x40) else { break }
      scratch.host.removeAll(keepingCapacity: true)
      let isDomain = domain(&reader)
      guard isDomain else {
        scratch.host.removeAll(keepingCapacity: true)
        return false
      }
      if !scratch.route.isEmpty { scratch.route.append(0x2C) }
      scratch.route.append(0x40)
      scratch.route.append(contentsOf: scratch.host)
      scratch.host.removeAll(keepingCapacity: true)
    }
    scratch.hasRoute = !scratch.route.isEmpty
    return reader.take(0x3A)
  }

  /// A domain into `host`; false, with `host` empty, when there is none.
  private mutating func domain(_ reader: inout FieldReader) -> Bool {
    guard skip(&reader) else { return false }
    var valid = false
    if reader.peek == 0x5B {
      valid = domainLiteral(&reader)
    } else {
      while true {
        let atom = reader.atom(withDots: false)
        guard !atom.isEmpty else {
          valid = false
          break
        }
        for offset in atom { scratch.host.append(reader.span.at(offset)) }
        valid = skip(&reader)
        guard valid, reader.peek == 0x2E else { break }
        reader.position += 1
        scratch.host.append(0x2E)
        guard skip(&reader) else {
          valid = false
          break
        }
      }
    }
    if !valid { scratch.host.removeAll(keepingCapacity: true) }
    return valid
  }

  /// `[...]` (RFC 5322 §3.4.1), brackets kept.
  private mutating func domainLiteral(_ reader: inout FieldReader) -> Bool {
    while let byte = reader.peek {
      reader.position += 1
      if byte == .cr || byte == .lf { continue }
      scratch.host.append(byte)
      if byte == 0x5D { return skip(&reader) }
    }
    return false
  }

  private mutating func appendSpace() {
    if let last = scratch.name.last, last != .space { scratch.name.append(.space) }
  }

  private mutating func appendPhrase(_ span: RawSpan, _ range: Range<Int>, escaped: Bool) {
    if escaped {
      span.unescape(range, into: &scratch.name)
    } else {
      for offset in range { scratch.name.append(span.at(offset)) }
    }
  }

  private mutating func appendLocal(_ span: RawSpan, _ range: Range<Int>, escaped: Bool) {
    if escaped {
      span.unescape(range, into: &scratch.mailbox)
    } else {
      for offset in range { scratch.mailbox.append(span.at(offset)) }
    }
  }

  /// RFC 5322 §3.4: a comment behind a bare address often holds the name.
  private mutating func nameFromComment(_ span: RawSpan) {
    guard let comment, !comment.isEmpty else { return }
    span.unescape(comment, into: &scratch.name)
    scratch.hasName = true
    collapseName()
  }

  /// Runs of blanks in the name become one space, blanks at its ends go.
  private mutating func collapseName() {
    var write = 0
    var pendingSpace = false
    for read in scratch.name.indices {
      let byte = scratch.name[read]
      if byte.isWhitespace {
        pendingSpace = write > 0
      } else {
        if pendingSpace {
          scratch.name[write] = .space
          write += 1
          pendingSpace = false
        }
        scratch.name[write] = byte
        write += 1
      }
    }
    scratch.name.removeLast(scratch.name.count - write)
  }
}
