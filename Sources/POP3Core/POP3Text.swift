public import NIOCore

/// Everything the server says to people, in every language it speaks. No text begins with "[", for that would announce
/// a response code (RFC 2449 §6.4), and all stay far below the 512 octets of a response line.
public enum POP3Text: Sendable, Hashable {
  case greeting(host: String)
  case goodbye
  case goodbyeRemoved(Int)
  case removalFailed
  case idleTooLong
  case shuttingDown
  case tooManyErrors

  case sendPassword
  case loggedIn(messages: Int, octets: Int64)
  case wrongCredentials
  case accountDisabled
  case authorizationFailed
  case privacyRequired
  case maildropInUse
  case loginDelay(seconds: Int)
  case tooManyConnections
  case temporaryFailure
  case permanentFailure
  case authenticationCancelled
  case authenticationMalformed
  case unknownMechanism
  case mechanismsFollow

  case onlyBeforeLogin
  case onlyAfterLogin
  case userFirst
  case syntax(POP3SyntaxError)

  case noSuchMessage(Int)
  case messageIsDeleted(Int)
  case messageDeleted(Int)
  case messagesFollow(messages: Int, octets: Int64)
  case messageFollows(octets: Int64)
  case topFollows
  case uniqueIDsFollow
  case stillHere
  case maildropHas(messages: Int, octets: Int64)
  case messageUnreadable
  case needsUTF8

  case capabilitiesFollow
  case beginTLS
  case tlsActive
  case tlsUnavailable
  case tlsAfterUTF8
  case utf8Enabled
  case languagesFollow
  case languageChanged
  case languageUnknown

  /// The sentence.
  public func string(in language: POP3Language) -> String {
    switch language {
    case .english: english
    case .indonesian: indonesian
    }
  }

  public func write(in language: POP3Language, into buffer: inout ByteBuffer) {
    buffer.writeString(string(in: language))
  }
}
