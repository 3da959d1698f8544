import MailNet

/// The sockets to listen on, as far as they have to be opened before the process becomes another user.
struct Doors: Sendable {
  struct Door: Sendable {
    var kind: Settings.ListenerKind
    var address: ListenAddress
    /// Bound already; nil: the listener binds it.
    var descriptor: Int32?
  }
  private(set) var all: [Door] = []

  /// A kind of which the service manager hands over sockets is not opened by us; nor are the usual ports, then.
  ///
  /// - Parameter privileged: TCP ports are bound now, as root may; unix sockets are not, so that they belong to the user.
  init(_ settings: Settings, inherited: InheritedSockets, privileged: Bool) throws {
    for (kind, descriptor) in inherited.sockets {
      // Its true address is told when it listens.
      all.append(Door(kind: kind, address: .unix(path: "(inherited)", mode: 0), descriptor: descriptor))
    }
    let taken = Set(inherited.sockets.map(\.kind))
    if !taken.isEmpty, settings.listensByDefault { return }
    for (kind, address) in settings.listeners where !taken.contains(kind) {
      var door = Door(kind: kind, address: address)
      if privileged, case .tcp(let host, let port) = address {
        door.descriptor = try BoundSocket.open(host: host, port: port)
      }
      all.append(door)
    }
  }
}
