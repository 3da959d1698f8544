import Bytes

/// The base subject of SORT and THREAD (RFC 5256 §2.1, grammar in §5), over decoded text.
enum BaseSubject {
  static func extract(_ subject: [UInt8]) -> String { strip(subject).base }

  /// - isReply: a mark of a reply or a forward was removed (RFC 5256 §3, REFERENCES).
  static func strip(_ subject: [UInt8]) -> (base: String, isReply: Bool) {
    var text = collapsed(subject)[...]
    var isReply = false
    while true {
      removeTrailers(&text, &isReply)
      removeLeadersAndBlobs(&text, &isReply)
      // (6) `[fwd: ...]`
      guard hasPrefix(text, "[fwd:"), text.last == 0x5D else { break }
      text = text.dropFirst(5).dropLast()
      isReply = true
    }
    return (String(decoding: text, as: UTF8.self), isReply)
  }

  /// (1): tabs and continuations become a space, runs of spaces one.
  private static func collapsed(_ subject: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(subject.count)
    for byte in subject {
      if !byte.isWhitespace {
        result.append(byte)
      } else if result.last != .space {
        result.append(.space)
      }
    }
    return result
  }

  /// (2) subj-trailer
  private static func removeTrailers(_ text: inout ArraySlice<UInt8>, _ isReply: inout Bool) {
    while true {
      if text.last?.isBlank == true {
        text.removeLast()
      } else if text.count >= 5, hasPrefix(text.suffix(5), "(fwd)") {
        text.removeLast(5)
        isReply = true
      } else {
        return
      }
    }
  }

  /// (3) to (5)
  private static func removeLeadersAndBlobs(_ text: inout ArraySlice<UInt8>, _ isReply: inout Bool) {
    while true {
      while let rest = afterLeader(text) {
        if text.first?.isBlank != true { isReply = true }
        text = rest
      }
      // (4) a blob goes unless nothing would be left.
      guard let rest = afterBlob(text), !rest.isEmpty else { return }
      text = rest
    }
  }

  /// subj-leader = (*subj-blob subj-refwd) / WSP
  private static func afterLeader(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    if text.first?.isBlank == true { return text.dropFirst() }
    var rest = text
    while let next = afterBlob(rest) { rest = next }
    return afterReplyMark(rest)
  }

  /// subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
  private static func afterReplyMark(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    var rest: ArraySlice<UInt8>
    if hasPrefix(text, "re") {
      rest = text.dropFirst(2)
    } else if hasPrefix(text, "fwd") {
      rest = text.dropFirst(3)
    } else if hasPrefix(text, "fw") {
      rest = text.dropFirst(2)
    } else {
      return nil
    }
    rest = rest.drop(while: \.isBlank)
    if let next = afterBlob(rest) { rest = next }
    return rest.first == 0x3A ? rest.dropFirst() : nil
  }

  /// subj-blob = "[" *BLOBCHAR "]" *WSP
  private static func afterBlob(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard text.first == 0x5B else { return nil }
    let rest = text.dropFirst().drop { $0 != 0x5B && $0 != 0x5D }
    guard rest.first == 0x5D else { return nil }
    return rest.dropFirst().drop(while: \.isBlank)
  }

  private static func hasPrefix(_ text: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    guard text.count >= word.utf8CodeUnitCount else { return false }
    return zip(text, 0..<word.utf8CodeUnitCount).allSatisfy { $0.asciiLowercased == word.utf8Start[$1] }
  }
}
