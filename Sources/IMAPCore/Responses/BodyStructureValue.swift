/// BODY or BODYSTRUCTURE as a client reads it (RFC 9051 §7.5.2).
public struct BodyStructureValue: Hashable, Sendable {
  /// Lower case.
  public var type: String
  public var subtype: String
  /// Names lower case, in the order sent.
  public var parameters: [(name: String, value: String)] { get { pairs.map { ($0.name, $0.value) } } }
  public var pairs: [Pair] = []
  public struct Pair: Hashable, Sendable {
    public var name: String
    public var value: String
    public init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }
  public var id: String?
  public var description: String?
  /// Transfer encoding, lower case; empty for multiparts.
  public var encoding: String = ""
  /// Octets as they travel, encoded.
  public var octets: Int64 = 0
  public var lines: Int64?
  /// Lower case: `attachment`, `inline`.
  public var disposition: String?
  public var dispositionPairs: [Pair] = []
  public var language: [String] = []
  public var location: String?
  /// Parts of a multipart, or the one body of a message/rfc822.
  public var children: [BodyStructureValue] = []
  public var envelope: EnvelopeValue?

  public init(type: String, subtype: String) {
    self.type = type
    self.subtype = subtype
  }
  public var isMultipart: Bool { type == "multipart" }
}
