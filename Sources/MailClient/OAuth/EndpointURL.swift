import MailNet
import NIOCore

/// Where an HTTP request goes: `https://host[:port]/path?query`; `http://` only to this machine.
struct EndpointURL: Sendable, Hashable {
  let isSecure: Bool
  let host: String
  let port: Int
  /// Path and query, as written.
  let target: String

  /// What the `Host` field holds.
  var hostField: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }

  init(_ text: String) throws(ClientError) {
    func invalid(_ why: String) -> ClientError {
      ClientError(.invalidAddress("the OAuth endpoint: \(why)"), server: "URL")
    }
    guard text.utf8.count <= MailClientLimits.url, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw invalid("a URL has no blanks and no characters outside ASCII")
    }
    let rest: Substring
    if text.lowercased().hasPrefix("https://") {
      (isSecure, rest) = (true, text.dropFirst(8))
    } else if text.lowercased().hasPrefix("http://") {
      (isSecure, rest) = (false, text.dropFirst(7))
    } else {
      throw invalid("it begins with https://")
    }
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let path = rest[authority.endIndex...].prefix { $0 != "#" }
    guard !authority.contains("@") else { throw invalid("no user name or password stands in it") }
    target = path.hasPrefix("/") ? String(path) : "/\(path)"
    var name = authority
    var number: Substring?
    if authority.hasPrefix("["), let end = authority.firstIndex(of: "]") {
      name = authority[..<end].dropFirst()
      let tail = authority[end...].dropFirst()
      guard tail.isEmpty || tail.hasPrefix(":") else { throw invalid("behind the ] only a port may follow") }
      number = tail.isEmpty ? nil : tail.dropFirst()
    } else if let colon = authority.lastIndex(of: ":") {
      name = authority[..<colon]
      number = authority[colon...].dropFirst()
    }
    guard !name.isEmpty else { throw invalid("there is no host name") }
    guard let port = number.map({ UInt16($0) }) ?? (isSecure ? 443 : 80), port > 0 else {
      throw invalid("the port is a number from 1 to 65535")
    }
    host = name.lowercased()
    self.port = Int(port)
  }
}
