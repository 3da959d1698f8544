extension POP3Text {
  var english: String {
    switch self {
    case .greeting(let host): "\(host) POP3 server ready"
    case .goodbye: "Goodbye"
    case .goodbyeRemoved(let count): "Goodbye (\(count) \(Self.messages(count)) removed)"
    case .removalFailed: "Some deleted messages were not removed"
    case .idleTooLong: "Nothing heard for too long, closing; nothing was deleted"
    case .shuttingDown: "The server is shutting down; nothing was deleted"
    case .tooManyErrors: "Too many errors, closing"
    case .sendPassword: "Send your password"
    case .loggedIn(let count, let octets): "Logged in, \(count) \(Self.messages(count)) (\(octets) octets)"
    case .wrongCredentials: "User name or password is wrong"
    case .accountDisabled: "This account is disabled"
    case .authorizationFailed: "You may not act for another user"
    case .privacyRequired: "Passwords are taken over TLS only; use STLS first or connect to the TLS port"
    case .maildropInUse: "The mailbox is open in another POP3 session"
    case .loginDelay(let seconds): "You may log in once in \(seconds) seconds; please wait"
    case .tooManyConnections: "Too many connections, try again later"
    case .temporaryFailure: "Temporary failure, try again later"
    case .permanentFailure: "Internal failure, please tell the administrator"
    case .authenticationCancelled: "Authentication cancelled"
    case .authenticationMalformed: "The authentication exchange is malformed"
    case .unknownMechanism: "This authentication mechanism is not available"
    case .mechanismsFollow: "Mechanisms follow"
    case .onlyBeforeLogin: "This command is valid before login only"
    case .onlyAfterLogin: "Log in first"
    case .userFirst: "Send USER first"
    case .syntax(let error): Self.english(error)
    case .noSuchMessage(let number): "There is no message \(number)"
    case .messageIsDeleted(let number): "Message \(number) is already deleted"
    case .messageDeleted(let number): "Message \(number) deleted"
    case .messagesFollow(let count, let octets): "\(count) \(Self.messages(count)) (\(octets) octets)"
    case .messageFollows(let octets): "\(octets) octets"
    case .topFollows: "Top of message follows"
    case .uniqueIDsFollow: "Unique identifiers follow"
    case .stillHere: "Still here"
    case .maildropHas(let count, let octets): "Mailbox has \(count) \(Self.messages(count)) (\(octets) octets)"
    case .messageUnreadable: "The message cannot be read at the moment"
    case .needsUTF8: "This message needs the UTF8 command first"
    case .capabilitiesFollow: "Capabilities follow"
    case .beginTLS: "Begin TLS"
    case .tlsActive: "TLS is already active"
    case .tlsUnavailable: "TLS is not available"
    case .tlsAfterUTF8: "STLS is not allowed after UTF8"
    case .utf8Enabled: "UTF-8 enabled"
    case .languagesFollow: "Languages follow"
    case .languageChanged: "I speak English now"
    case .languageUnknown: "I do not speak this language"
    }
  }

  private static func messages(_ count: Int) -> String { count == 1 ? "message" : "messages" }

  private static func english(_ error: POP3SyntaxError) -> String {
    switch error {
    case .unknownCommand: "Unknown command"
    case .missingArgument: "An argument is missing"
    case .tooManyArguments: "Too many arguments"
    case .badNumber: "Not a valid number"
    case .badBase64: "Not valid base64"
    case .notUTF8: "Not valid UTF-8"
    case .controlCharacter: "Control characters are not allowed"
    case .lineTooLong: "The line is too long"
    }
  }
}
