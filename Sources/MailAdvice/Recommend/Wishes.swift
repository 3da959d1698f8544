/// What the user says of himself; nil: not said.
public struct Wishes: Sendable, Hashable, Codable {
  /// Computers and phones that read this mailbox.
  public var devices: Int?
  /// Mail must be readable from elsewhere than this computer.
  public var readsElsewhere: Bool?
  /// Octets that mail may take on this computer.
  public var localDiskOctets: Int64?

  public init(devices: Int? = nil, readsElsewhere: Bool? = nil, localDiskOctets: Int64? = nil) {
    self.devices = devices
    self.readsElsewhere = readsElsewhere
    self.localDiskOctets = localDiskOctets
  }

  enum Elsewhere { case needed, notNeeded, unknown }

  /// Two devices need it, whatever else was said.
  var elsewhere: Elsewhere {
    if readsElsewhere == true || (devices ?? 0) > 1 { return .needed }
    return readsElsewhere == false || devices == 1 ? .notNeeded : .unknown
  }
}
