public import NIOCore

extension IMAPURL: CustomStringConvertible {
  /// The URL as it is sent.
  public var description: String {
    var text = ""
    if let server {
      text = "imap://"
      if let user = server.user { text += Self.encoded(user, keeping: \.isURLPlain) }
      if let mechanism = server.mechanism {
        text += ";AUTH=" + (mechanism == "*" ? "*" : Self.encoded(mechanism, keeping: \.isURLPlain))
      }
      if server.user != nil || server.mechanism != nil { text += "@" }
      text += server.host.hasPrefix("[") ? server.host : Self.encoded(server.host, keeping: \.isURLPlain)
      if let port = server.port { text += ":\(port)" }
    }
    guard let mailbox else { return text }
    text += "/" + Self.encodedPath(mailbox.string)
    if let uidValidity { text += ";UIDVALIDITY=\(uidValidity)" }
    if let search { text += "?" + Self.encoded(search, keeping: \.isURLPlain) }
    guard let message else { return text }
    text += "/;UID=\(message.uid)"
    if let section = message.section {
      var buffer = ByteBuffer()
      buffer.writeSection(section)
      text += "/;SECTION=" + Self.encoded(String(buffer: buffer), keeping: \.isURLPlain)
    }
    if let partial = message.partial {
      text += "/;PARTIAL=\(partial.offset)" + (partial.count.map { ".\($0)" } ?? "")
    }
    guard let authorization = message.authorization else { return text }
    if let expires = authorization.expires { text += ";EXPIRE=" + InternetDate.string(expires) }
    text += ";URLAUTH="
    switch authorization.access {
    case .submit(let user): text += "submit+" + Self.encoded(user, keeping: \.isURLPlain)
    case .user(let user): text += "user+" + Self.encoded(user, keeping: \.isURLPlain)
    case .authuser: text += "authuser"
    case .anonymous: text += "anonymous"
    }
    if let proof = authorization.proof { text += ":\(proof.mechanism):\(proof.token)" }
    return text
  }

  /// Escapes what stands alone between slashes and would change the path (RFC 5092 §7), and slashes at its ends.
  private static func encodedPath(_ name: String) -> String {
    let levels = name.split(separator: "/", omittingEmptySubsequences: false).map { level -> String in
      level == "." ? "%2E" : level == ".." ? "%2E%2E" : encoded(String(level), keeping: \.isURLPlain)
    }
    var path = levels.joined(separator: "/")
    if path.hasPrefix("/") { path = "%2F" + path.dropFirst() }
    if path.hasSuffix("/") { path = path.dropLast() + "%2F" }
    return path
  }

  static func encoded(_ text: String, keeping isKept: (UInt8) -> Bool) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var result: [UInt8] = []
    for byte in text.utf8 {
      if isKept(byte) {
        result.append(byte)
      } else {
        result += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// A URL as a client sent it, in the form in which a response code may carry it: what cannot stand there is escaped.
  public static func responseText(_ url: ByteBuffer) -> String {
    let text = String(decoding: url.readableBytesView.prefix(1024), as: UTF8.self)
    return encoded(text) { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "]") && $0 != UInt8(ascii: "\\") }
  }
}

extension UInt8 {
  /// unreserved of RFC 3986 §2.3.
  var isURLPlain: Bool {
    switch self {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
      UInt8(ascii: "~"):
      true
    default: false
    }
  }
}
