public import MailNet
import NIOCore

/// `pop3://`, `pop3s://`, `imap://`, `imaps://` (RFC 2384, RFC 5092 as far as it names a server and a mailbox).
///
/// A user name with an `@` may be written as it is: the last `@` parts user and host.
public struct RemoteURL: Sendable, Hashable {
  public var mailProtocol: MailProtocol
  /// TLS from the first byte.
  public var isImplicitTLS: Bool
  /// Percent-decoded.
  public var user: String?
  /// In lower case; an IPv6 address without its brackets.
  public var host: String
  public var port: Int
  /// Percent-decoded path without the leading `/`; nil if there is none.
  public var mailbox: String?

  /// Refuses a password in the URL by name: arguments can be seen by others.
  ///
  /// No error repeats what stands before the host: it may be a password at a wrong place.
  public init(_ text: String) throws(ClientError) {
    guard text.utf8.count <= MailClientLimits.url else { throw Self.invalid("the URL is too long") }
    guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else {
      throw Self.invalid("this is no URL: it looks like imaps://user@mail.example.org or pop3s://user@mail.example.org")
    }
    (mailProtocol, isImplicitTLS) = try Self.scheme(text[..<colon].lowercased())
    let rest = text[colon...].dropFirst(3)
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    let authority = rest[..<slash]
    var place = authority[...]
    if let at = authority.lastIndex(of: "@") {
      user = try Self.user(authority[..<at])
      place = authority[authority.index(after: at)...]
    }
    let (name, number) = try Self.split(place)
    host = try Self.host(name)
    port = try Self.port(number ?? "") ?? mailProtocol.defaultPort(implicitTLS: isImplicitTLS)
    mailbox = try Self.mailbox(rest[slash...].dropFirst(), mailProtocol)
  }

  public func server(
    startTLS: Bool, trust: TransportSecurity.Trust, allowsCleartextLogin: Bool
  ) throws(ClientError) -> RemoteServer {
    guard !(startTLS && isImplicitTLS) else {
      throw ClientError(
        .invalidAddress(
          "\(mailProtocol.rawValue)s:// speaks TLS from the first byte; --starttls goes with \(mailProtocol.rawValue)://"
        ),
        server: host)
    }
    let encryption: TransportSecurity.Encryption = isImplicitTLS ? .implicit : startTLS ? .startTLS : .none
    return RemoteServer(
      mailProtocol: mailProtocol, host: host, port: port, user: user,
      security: TransportSecurity(
        encryption: encryption, trust: trust, allowsCleartextLogin: allowsCleartextLogin))
  }

  // MARK: Parts

  private static func invalid(_ why: String) -> ClientError { ClientError(.invalidAddress(why), server: "URL") }

  private static func scheme(_ name: String) throws(ClientError) -> (MailProtocol, Bool) {
    switch name {
    case "pop3", "pop": return (.pop3, false)  // RFC 2384 has `pop`
    case "pop3s", "pops": return (.pop3, true)
    case "imap": return (.imap, false)
    case "imaps": return (.imap, true)
    default: throw invalid("a mail server's URL begins with imaps://, imap://, pop3s:// or pop3://")
    }
  }

  private static func user(_ text: Substring) throws(ClientError) -> String {
    var name = text
    if let semicolon = text.firstIndex(of: ";") {
      // RFC 5092 §3.2, RFC 2384 §4: `;AUTH=*` leaves the choice to us, which it has anyway.
      guard text[semicolon...].uppercased() == ";AUTH=*" else {
        throw invalid(
          "leave out what stands between the user's name and the @, from the ; on: the best mechanism is chosen")
      }
      name = text[..<semicolon]
    }
    guard !name.contains(":") else {
      throw invalid(
        "a password in a URL can be seen by everybody on this machine: leave it out, and use --password-command, "
          + "--password-file or MERPATI_PASSWORD (a colon that belongs to the name is written %3A)")
    }
    guard !name.isEmpty else { throw invalid("there is no user name before the @") }
    guard let decoded = PercentCoding.decode(name) else {
      throw invalid("the user name is not well encoded: a % is followed by two hexadecimal digits (a % itself is %25)")
    }
    return decoded
  }

  /// Host and port as written.
  private static func split(_ place: Substring) throws(ClientError) -> (Substring, Substring?) {
    if place.hasPrefix("[") {
      guard let end = place.firstIndex(of: "]") else { throw invalid("the ] behind the IPv6 address is missing") }
      let name = place[place.index(after: place.startIndex)..<end]
      let rest = place[place.index(after: end)...]
      guard rest.isEmpty || rest.hasPrefix(":") else {
        throw invalid("behind the ] a port may follow, as in [::1]:143")
      }
      guard name.contains(":") else { throw invalid("only an IPv6 address stands in brackets") }
      return (name, rest.isEmpty ? nil : rest.dropFirst())
    }
    let parts = place.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2 else { throw invalid("an IPv6 address stands in brackets, as in imap://[::1]:143") }
    return (parts.first ?? "", parts.count == 2 ? parts[1] : nil)
  }

  private static func host(_ text: Substring) throws(ClientError) -> String {
    guard let name = PercentCoding.decode(text)?.lowercased(), !name.isEmpty else {
      throw invalid("there is no host name in the URL")
    }
    if name.contains(":") {
      // A zone names an interface and is no part of the address proper (RFC 6874).
      let address = name.prefix { $0 != "%" }
      guard (try? SocketAddress(ipAddress: String(address), port: 0)) != nil else {
        throw invalid("\(name) is no IPv6 address")
      }
      return name
    }
    guard name.utf8.count <= ClientNetLimits.hostName else { throw invalid("the host name is too long") }
    guard name.utf8.allSatisfy({ $0 < 0x80 }) else {
      throw invalid("write the host name in its ASCII form, as xn--bcher-kva.example")
    }
    guard
      name.utf8.allSatisfy({
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
          UInt8(ascii: "."), UInt8(ascii: "_"):
          true
        default: false
        }
      }), !name.hasPrefix("."), !name.hasPrefix("-")
    else { throw invalid("the host name holds a character that no host name has") }
    return name
  }

  private static func port(_ text: Substring) throws(ClientError) -> Int? {
    guard !text.isEmpty else { return nil }  // RFC 3986 §3.2.3: an empty port is the default one
    guard text.utf8.count <= 5, text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }),
      let port = Int(text), (1...65535).contains(port)
    else { throw invalid("what follows the host's colon is no port, which is a number from 1 to 65535") }
    return port
  }

  private static func mailbox(_ text: Substring, _ mailProtocol: MailProtocol) throws(ClientError) -> String? {
    guard !text.isEmpty else { return nil }
    guard mailProtocol == .imap else {
      throw invalid("a POP3 server has one mailbox only: nothing may follow the host")
    }
    if text.contains(";") || text.contains("?") {
      // RFC 5092 §5: messages, parts and searches; in names both characters are encoded.
      throw invalid("a URL names a mailbox only, no message or search (a ; in a mailbox's name is %3B, a ? is %3F)")
    }
    let name = text.hasSuffix("/") ? text.dropLast() : text
    guard !name.isEmpty, let decoded = PercentCoding.decode(name) else {
      throw invalid(
        "the mailbox's name is not well encoded: a % is followed by two hexadecimal digits (a % itself is %25)")
    }
    return decoded
  }
}
