import Bytes
public import NIOCore

extension ByteBuffer {
  /// `[CODE arguments]`, without a space after it (RFC 9051 §7.1).
  public mutating func writeResponseCode(_ code: ResponseCode) {
    writeInteger(UInt8(ascii: "["))
    if let word = code.word { writeStaticString(word) } else { writeCodeWithArguments(code) }
    writeInteger(UInt8(ascii: "]"))
  }

  private mutating func writeCodeWithArguments(_ code: ResponseCode) {
    switch code {
    case .appendUID(let validity, let assigned):
      writeCode("APPENDUID", validity)
      writeSpace()
      writeOrderedSet(assigned)
    case .copyUID(let validity, let source, let assigned):
      writeCode("COPYUID", validity)
      writeSpace()
      writeOrderedSet(source)
      writeSpace()
      writeOrderedSet(assigned)
    case .badCharset(let names):
      writeStaticString("BADCHARSET")
      guard !names.isEmpty else { break }
      writeStaticString(" (")
      for (index, name) in names.enumerated() {
        if index > 0 { writeSpace() }
        writeAString(name, .rev1)
      }
      writeStaticString(")")
    case .capability(let names):
      writeStaticString("CAPABILITY")
      writeWords(names)
    case .permanentFlags(let flags, let keywords, let acceptsNewKeywords):
      writeStaticString("PERMANENTFLAGS ")
      writeFlagList(flags, keywords: keywords, acceptsNewKeywords: acceptsNewKeywords)
    case .inProgress(let tag, let progress, let goal): writeInProgress(tag, progress, goal)
    case .highestModSeq(let modSeq): writeCode("HIGHESTMODSEQ", modSeq)
    case .modified(let ranges):
      writeStaticString("MODIFIED ")
      writeRanges(ranges)
    case .mailboxID(let id):
      writeStaticString("MAILBOXID (")
      writeLineText(id)
      writeStaticString(")")
    case .messageLimit(let limit, let lowest):
      writeCode("MESSAGELIMIT", limit)
      if let lowest {
        writeSpace()
        writeDecimal(lowest)
      }
    case .uidNext(let uid): writeCode("UIDNEXT", uid)
    case .uidValidity(let validity): writeCode("UIDVALIDITY", validity)
    case .unseen(let sequence): writeCode("UNSEEN", sequence)
    case .other(let text): writeLineText(text)
    default: break
    }
  }

  private mutating func writeCode(_ word: StaticString, _ number: some BinaryInteger) {
    writeStaticString(word)
    writeSpace()
    writeDecimal(number)
  }

  /// "INPROGRESS" [SP "(" inprogress-tag SP inprogress-state ")"] (RFC 9585 §5)
  private mutating func writeInProgress(_ tag: String?, _ progress: UInt32?, _ goal: UInt32?) {
    writeStaticString("INPROGRESS")
    // RFC 9585 §4: a tag with "]" in it MUST be NIL. A tag needs no escapes (RFC 9051 §9).
    let tag = tag.flatMap { $0.utf8.contains(UInt8(ascii: "]")) ? nil : $0 }
    guard tag != nil || progress != nil else { return }
    writeStaticString(" (")
    if let tag {
      writeInteger(UInt8.quote)
      writeString(tag)
      writeInteger(UInt8.quote)
    } else {
      writeStaticString("NIL")
    }
    for number in [progress, progress == nil ? nil : goal] {
      writeSpace()
      if let number { writeDecimal(number) } else { writeStaticString("NIL") }
    }
    writeStaticString(")")
  }

  mutating func writeRanges(_ ranges: [ClosedRange<UInt32>]) {
    for (index, range) in ranges.enumerated() {
      if index > 0 { writeStaticString(",") }
      writeDecimal(range.lowerBound)
      guard range.count > 1 else { continue }
      writeStaticString(":")
      writeDecimal(range.upperBound)
    }
  }
}

extension ResponseCode {
  /// The code without its arguments, in upper case.
  public var name: String {
    if let word { return "\(word)" }
    var buffer = ByteBuffer()
    buffer.writeResponseCode(self)
    let name = buffer.readableBytesView.dropFirst().prefix { $0 != .space && $0 != UInt8(ascii: "]") }
    return String(decoding: name, as: UTF8.self).uppercased()
  }

  /// The spelling of a code without arguments; nil for the others.
  var word: StaticString? {
    switch self {
    case .alert: "ALERT"
    case .alreadyExists: "ALREADYEXISTS"
    case .authenticationFailed: "AUTHENTICATIONFAILED"
    case .authorizationFailed: "AUTHORIZATIONFAILED"
    case .badComparator: "BADCOMPARATOR"
    case .cannot: "CANNOT"
    case .clientBug: "CLIENTBUG"
    case .closed: "CLOSED"
    case .compressionActive: "COMPRESSIONACTIVE"
    case .contactAdmin: "CONTACTADMIN"
    case .corruption: "CORRUPTION"
    case .expired: "EXPIRED"
    case .expungeIssued: "EXPUNGEISSUED"
    case .hasChildren: "HASCHILDREN"
    case .inUse: "INUSE"
    case .limit: "LIMIT"
    case .noModSeq: "NOMODSEQ"
    case .nonExistent: "NONEXISTENT"
    case .noPerm: "NOPERM"
    case .notificationOverflow: "NOTIFICATIONOVERFLOW"
    case .notSaved: "NOTSAVED"
    case .overQuota: "OVERQUOTA"
    case .parse: "PARSE"
    case .privacyRequired: "PRIVACYREQUIRED"
    case .readOnly: "READ-ONLY"
    case .readWrite: "READ-WRITE"
    case .serverBug: "SERVERBUG"
    case .tooBig: "TOOBIG"
    case .tryCreate: "TRYCREATE"
    case .uidNotSticky: "UIDNOTSTICKY"
    case .uidRequired: "UIDREQUIRED"
    case .unavailable: "UNAVAILABLE"
    case .unknownCTE: "UNKNOWN-CTE"
    case .useAttr: "USEATTR"
    case .appendUID, .copyUID, .badCharset, .capability, .highestModSeq, .inProgress, .mailboxID, .messageLimit,
      .modified, .permanentFlags, .uidNext, .uidValidity, .unseen, .other:
      nil
    }
  }
}
