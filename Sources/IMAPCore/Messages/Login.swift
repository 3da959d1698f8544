/// `LOGIN` (RFC 9051 §6.2.3).
public struct LoginCommand: Hashable, Sendable {
  public var user: String
  /// Never log it.
  public var password: String
  public init(user: String, password: String) {
    self.user = user
    self.password = password
  }
}

extension CommandReader {
  /// login = "LOGIN" SP userid SP password
  mutating func loginCommand() throws(IMAPSyntaxError) -> LoginCommand {
    try space()
    let user = try astring("user name")
    try space()
    return LoginCommand(user: user, password: try astring("password"))
  }
}

extension CommandPrinter {
  mutating func print(_ command: LoginCommand) {
    space()
    astring(command.user)
    space()
    astring(command.password)
  }
}
