import Bytes

/// A character set by the name mail gives it.
enum Charset: Equatable {
  case utf8
  /// US-ASCII, nothing, or a name that means "unknown": 8-bit bytes are UTF-8 if they can be, else windows-1252.
  case guess
  /// windows-1252, and ISO-8859-1, which it extends and for which it is commonly mislabelled.
  case windows1252
  /// A name for iconv.
  case iconv(String)
  /// Not a name at all.
  case invalid

  init(_ name: String) {
    var bytes: [UInt8] = []
    // RFC 2231 §5: a language may follow after `*`.
    for byte in name.utf8.prefix(while: { $0 != 0x2A }) where byte != .quote && byte != 0x27 && !byte.isWhitespace {
      bytes.append(byte.asciiLowercased)
    }
    // Nothing that could be a path or an iconv suffix such as //TRANSLIT.
    let isName = bytes.allSatisfy {
      $0.isASCIILetter || $0.isASCIIDigit || [0x2D, 0x5F, 0x2E, 0x3A, 0x28, 0x29, 0x2B].contains($0)
    }
    guard isName, bytes.count <= 40 else {
      self = .invalid
      return
    }
    self = Self.known(String(decoding: bytes, as: UTF8.self))
  }

  private static func known(_ name: String) -> Charset {
    switch name {
    case "utf-8", "utf8", "unicode-1-1-utf-8": .utf8
    case "", "us-ascii", "ascii", "ansi_x3.4-1968", "iso646-us", "646", "unknown-8bit", "x-unknown", "unknown",
      "8bit", "7bit", "default", "default_charset", "x-user-defined", "none", "_charset_", "iso-8859", "utf":
      .guess
    case "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "latin-1", "l1", "windows-1252", "cp1252", "cp-1252",
      "ansi",
      "x-ansi", "win-1252", "ibm819", "cp819", "iso-8859-1-windows-3.1-latin-1", "windows-1252http-equivcontent-type":
      .windows1252
    // GB18030 contains GB2312 and GBK, and mail says gb2312 for all of them.
    case "gb2312", "gb_2312-80", "gb2312-80", "gbk", "x-gbk", "cp936", "ms936", "windows-936", "euc-cn", "gb-2312",
      "chinese", "csgb2312", "gb18030":
      .iconv("GB18030")
    case "hz-gb-2312", "hz": .iconv("HZ")
    case "ks_c_5601-1987", "ks_c_5601-1989", "ks_c_5601", "ksc5601", "ksc_5601", "ks_c-5601-1987", "euc-kr", "euckr",
      "korean",
      "cseuckr", "cp949", "uhc", "windows-949", "5601":
      .iconv("CP949")
    case "shift_jis", "shift-jis", "x-sjis", "sjis", "ms_kanji", "windows-31j", "cp932", "csshiftjis": .iconv("CP932")
    case "x-euc-jp", "euc-jp", "eucjp": .iconv("EUC-JP-MS")
    case "big5", "x-big5", "big-5", "cn-big5", "csbig5", "big5-hkscs": .iconv("BIG5-HKSCS")
    case "utf-7", "utf7", "unicode-1-1-utf-7": .iconv("UTF-7")
    case "iso-8859-8-i", "iso-8859-8-e", "iso8859-8": .iconv("ISO-8859-8")
    case "iso-8859-6-i", "iso-8859-6-e", "iso8859-6": .iconv("ISO-8859-6")
    case "iso-8859-9", "iso8859-9", "latin5": .iconv("CP1254")
    case "tis-620", "tis620", "iso-8859-11", "windows-874", "x-windows-874": .iconv("CP874")
    case "macintosh", "x-mac-roman", "x-macroman", "mac": .iconv("MACINTOSH")
    case "koi8", "koi": .iconv("KOI8-R")
    default: underscored(name) ?? .iconv(windows(name))
    }
  }

  /// `koi8_r` and the like, which big mail services write and iconv does not know.
  private static func underscored(_ name: String) -> Charset? {
    guard name.contains("_"), !name.contains(":") else { return nil }
    let hyphened = String(name.map { $0 == "_" ? "-" : $0 })
    let families = ["koi8-", "windows-", "iso-8859-", "euc-", "utf-"]
    return families.contains { hyphened.hasPrefix($0) } ? known(hyphened) : nil
  }

  /// `windows-1251` and its misspellings as iconv calls them.
  private static func windows(_ name: String) -> String {
    for prefix in ["windows-", "x-windows-", "windows", "win-", "x-cp", "cp-", "x-cp-", "ibm-"]
    where name.hasPrefix(prefix) {
      let number = name.dropFirst(prefix.count)
      if !number.isEmpty, number.utf8.allSatisfy(\.isASCIIDigit) { return "CP\(number)" }
    }
    return name
  }
}
