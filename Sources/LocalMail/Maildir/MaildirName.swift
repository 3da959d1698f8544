import Bytes

/// The name of a message file, cut up: `base` and, behind `:2,`, letters and perhaps more behind a comma.
struct MaildirName: Sendable {
  let base: Substring
  /// Letters behind `:2,`; nil without `:2,`.
  let letters: Substring.UTF8View?
  /// From the comma behind the letters on: not ours, kept.
  let rest: Substring

  init(_ name: String) {
    let bytes = name.utf8
    var search = bytes.startIndex
    while let colon = bytes[search...].firstIndex(of: .colon) {
      let after = bytes[bytes.index(after: colon)...]
      if after.starts(with: "2,".utf8) {
        let info = after.dropFirst(2)
        let end = info.firstIndex(of: .comma) ?? info.endIndex
        base = name[..<colon]
        letters = name[info.startIndex..<end].utf8
        rest = name[end...]
        return
      }
      search = after.startIndex
    }
    base = name[...]
    letters = nil
    rest = name[name.endIndex...]
  }

  /// Octets, from `S=`.
  var size: Int64? { Self.number(",S=", in: base) }

  /// Seconds since 1970 at the beginning: when the name was given.
  var time: Int64? {
    let digits = base.utf8.prefix { $0.isDigit }
    return digits.isEmpty ? nil : Int64(Substring(digits))
  }

  /// A base that is not taken, with the same sizes.
  var newBase: String {
    guard let comma = base.utf8.firstIndex(of: .comma) else { return UniqueName.next() }
    return UniqueName.next() + base[comma...]
  }

  private static func number(_ key: StaticString, in base: Substring) -> Int64? {
    var rest = base.utf8
    while let comma = rest.firstIndex(of: .comma) {
      rest = rest[comma...]
      if rest.starts(with: UnsafeBufferPointer(start: key.utf8Start, count: key.utf8CodeUnitCount)) {
        let digits = rest.dropFirst(key.utf8CodeUnitCount).prefix { $0.isDigit }
        let end = digits.endIndex
        guard end == base.utf8.endIndex || base.utf8[end] == .comma else { return nil }
        return Int64(Substring(digits))
      }
      rest = rest.dropFirst()
    }
    return nil
  }

  /// `base` with what is to stand behind it.
  ///
  /// - Parameter unknown: letters that nobody here can name and the text behind the letters, kept as they were.
  static func compose(
    base: Substring, flags: MaildirFlags, keywordLetters: [UInt8], unknown: [UInt8] = [], rest: Substring = ""
  ) -> String {
    var letters = keywordLetters + unknown
    if flags.draft { letters.append(UInt8(ascii: "D")) }
    if flags.flagged { letters.append(UInt8(ascii: "F")) }
    if flags.passed { letters.append(UInt8(ascii: "P")) }
    if flags.replied { letters.append(UInt8(ascii: "R")) }
    if flags.seen { letters.append(UInt8(ascii: "S")) }
    if flags.trashed { letters.append(UInt8(ascii: "T")) }
    // In ASCII order, each once.
    letters.sort()
    var info: [UInt8] = []
    for letter in letters where info.last != letter { info.append(letter) }
    return "\(base):2,\(String(decoding: info, as: UTF8.self))\(rest)"
  }
}

extension MaildirFlags {
  /// Flags that the letters name; the others are returned beside.
  init(letters: Substring.UTF8View, names: KeywordNames, unknown: inout [UInt8]) {
    self.init()
    for letter in letters {
      switch letter {
      case UInt8(ascii: "D"): draft = true
      case UInt8(ascii: "F"): flagged = true
      case UInt8(ascii: "P"): passed = true
      case UInt8(ascii: "R"): replied = true
      case UInt8(ascii: "S"): seen = true
      case UInt8(ascii: "T"): trashed = true
      default:
        if let name = names.name(of: letter) {
          if !keywords.contains(name) { keywords.append(name) }
        } else {
          unknown.append(letter)
        }
      }
    }
  }

  var isEmpty: Bool { self == MaildirFlags() }

  /// What differs between these flags and `ancestor`, done to others.
  func applied(to current: MaildirFlags, since ancestor: MaildirFlags) -> MaildirFlags {
    var result = current
    for flag in [\MaildirFlags.draft, \.flagged, \.passed, \.replied, \.seen, \.trashed]
    where self[keyPath: flag] != ancestor[keyPath: flag] {
      result[keyPath: flag] = self[keyPath: flag]
    }
    func names(_ flags: MaildirFlags, _ keyword: String) -> Bool {
      flags.keywords.contains { $0.equalsIgnoringASCIICase(keyword) }
    }
    result.keywords.removeAll { names(ancestor, $0) && !names(self, $0) }
    result.keywords += keywords.filter { !names(ancestor, $0) && !names(result, $0) }
    return result
  }
}
