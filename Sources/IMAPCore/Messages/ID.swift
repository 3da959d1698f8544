import Bytes
public import NIOCore

/// Who the other side is (RFC 2971 §3). The same list goes both ways.
public struct IDParameters: Hashable, Sendable {
  public struct Field: Hashable, Sendable {
    public var name: String
    /// Nil: NIL.
    public var value: String?
    public init(_ name: String, _ value: String?) {
      self.name = name
      self.value = value
    }
  }
  /// In the order they were sent.
  public var fields: [Field]
  public init(_ fields: [Field]) { self.fields = fields }

  /// The value of the field called `name`, compared without ASCII case.
  public subscript(name: String) -> String? {
    fields.first { $0.name.lowercased() == name.lowercased() }?.value
  }
}

/// `ID` (RFC 2971 §3.1).
public struct IDCommand: Hashable, Sendable {
  /// Nil: NIL, the client says nothing of itself.
  public var parameters: IDParameters?
  public init(_ parameters: IDParameters?) { self.parameters = parameters }
}

extension CommandReader {
  /// id = "ID" SP ("(" *(string SP nstring) ")" / nil)
  mutating func idCommand() throws(IMAPSyntaxError) -> IDCommand {
    try space()
    if cursor.takeIgnoringCase("NIL") { return IDCommand(nil) }
    try openParenthesis()
    var fields: [IDParameters.Field] = []
    if !cursor.take(UInt8(ascii: ")")) {
      repeat {
        // RFC 2971 §3.3: at most 30 pairs, names of 30 octets, values of 1024.
        guard fields.count < limits.idPairs else { throw error("More than \(limits.idPairs) fields in ID") }
        let name = try text(try wireString("a field name"), "field name")
        try space()
        let value = try nstring("field value")
        guard name.utf8.count <= limits.idField, value?.utf8.count ?? 0 <= limits.idValue else {
          throw error("A field of ID is too long")
        }
        fields.append(.init(name, value))
      } while cursor.take(.space)
      try closeParenthesis()
    }
    return IDCommand(IDParameters(fields))
  }
}

extension CommandPrinter {
  mutating func print(_ command: IDCommand) {
    space()
    guard let parameters = command.parameters else { return word("NIL") }
    word("(")
    for (index, field) in parameters.fields.enumerated() {
      if index > 0 { space() }
      string(field.name)
      space()
      nstring(field.value)
    }
    word(")")
  }
}

extension ByteBuffer {
  /// `* ID (...)`, or `* ID NIL` (RFC 2971 §3.2).
  public mutating func writeID(_ parameters: IDParameters?, _ options: WireOptions) {
    writeStaticString("* ID ")
    if let parameters {
      writeStaticString("(")
      for (index, field) in parameters.fields.enumerated() {
        if index > 0 { writeSpace() }
        writeIMAPString(field.name, options)
        writeSpace()
        writeNString(field.value, options)
      }
      writeStaticString(")")
    } else {
      writeStaticString("NIL")
    }
    writeCRLF()
  }
}
