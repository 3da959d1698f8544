import Bytes
import NIOCore

extension ResponseReader {
  /// body; nil, and stepped over, when it makes no sense.
  mutating func structureIfReadable() throws(ResponseSyntaxError) -> BodyStructureValue? {
    spaces()
    if takeNil() { return nil }
    let start = cursor.position
    let depth = depth
    do {
      return try body()
    } catch {
      cursor.position = start
      self.depth = depth
      try skipValue()
      return nil
    }
  }

  /// body = "(" (body-type-1part / body-type-mpart) ")". Depth is bounded by `limits.nesting`.
  private mutating func body() throws(ResponseSyntaxError) -> BodyStructureValue {
    try open()
    spaces()
    let body = cursor.peek == UInt8(ascii: "(") ? try multipart() : try singlePart()
    // Extensions of the future.
    while !close() { try skipValue() }
    return body
  }

  private var isAtClose: Bool {
    var index = 0
    while cursor.peek(at: index) == .space { index += 1 }
    let byte = cursor.peek(at: index)
    return byte == nil || byte == UInt8(ascii: ")")
  }

  /// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
  private mutating func multipart() throws(ResponseSyntaxError) -> BodyStructureValue {
    var body = BodyStructureValue(type: "multipart", subtype: "mixed")
    while cursor.peek == UInt8(ascii: "(") {
      guard body.children.count < limits.listElements else { throw error("A multipart has too many parts") }
      body.children.append(try self.body())
      spaces()
    }
    if !isAtClose, let subtype = try nstringText() { body.subtype = subtype.lowercased() }
    if !isAtClose { body.pairs = try parameters() }
    try extensions(of: &body)
    return body
  }

  private mutating func singlePart() throws(ResponseSyntaxError) -> BodyStructureValue {
    var body = BodyStructureValue(type: "application", subtype: "octet-stream")
    let type = try nstringText()?.lowercased()
    let subtype = isAtClose ? nil : try nstringText()?.lowercased()
    if let type { body.type = type }
    if let subtype { body.subtype = subtype }
    // `(NIL "mixed")`: a multipart without parts.
    if type == nil, subtype != nil, isAtClose { body.type = "multipart" }
    if !isAtClose { body.pairs = try parameters() }
    if !isAtClose { body.id = try nstringText() }
    if !isAtClose { body.description = try nstringText() }
    if !isAtClose { body.encoding = try nstringText()?.lowercased() ?? "7bit" }
    if !isAtClose { body.octets = try lenientNumber() ?? 0 }
    spaces()
    // An empty message of a multipart/digest, or a server that does not look into messages, has neither.
    if body.type == "message", cursor.peek == UInt8(ascii: "(") {
      body.envelope = try envelope()
      spaces()
      if cursor.peek == UInt8(ascii: "(") {
        body.children = [try self.body()]
      } else if !isAtClose {
        try skipValue()
      }
      spaces()
    }
    if let byte = cursor.peek, byte.isASCIIDigit || byte == UInt8(ascii: "-") { body.lines = try lenientNumber() }
    // MD5
    if !isAtClose { try skipValue() }
    try extensions(of: &body)
    return body
  }

  /// [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
  private mutating func extensions(of body: inout BodyStructureValue) throws(ResponseSyntaxError) {
    if isAtClose { return }
    try disposition(of: &body)
    if isAtClose { return }
    spaces()
    if cursor.peek == UInt8(ascii: "(") {
      try list { (reader) throws(ResponseSyntaxError) in
        guard reader.cursor.peek != UInt8(ascii: "(") else { return try reader.skipValue() }
        if let tag = try reader.nstringText() { body.language.append(tag) }
      }
    } else if let tag = try nstringText() {
      body.language = [tag]
    }
    if isAtClose { return }
    spaces()
    if cursor.peek == UInt8(ascii: "(") { try skipValue() } else { body.location = try nstringText() }
  }

  /// `("attachment" ("filename" "x"))`, NIL, or the bare word.
  private mutating func disposition(of body: inout BodyStructureValue) throws(ResponseSyntaxError) {
    spaces()
    guard cursor.peek == UInt8(ascii: "(") else {
      body.disposition = try nstringText()?.lowercased()
      return
    }
    try open()
    if !isAtClose { body.disposition = try nstringText()?.lowercased() }
    if !isAtClose { body.dispositionPairs = try parameters() }
    while !close() { try skipValue() }
  }

  /// body-fld-param. Anything but a list is passed over, a name without a value left out.
  private mutating func parameters() throws(ResponseSyntaxError) -> [BodyStructureValue.Pair] {
    spaces()
    guard cursor.peek == UInt8(ascii: "(") else {
      try skipValue()
      return []
    }
    var pairs: [BodyStructureValue.Pair] = []
    try list { (reader) throws(ResponseSyntaxError) in
      guard reader.cursor.peek != UInt8(ascii: "(") else { return try reader.skipValue() }
      let name = try reader.nstringText()
      guard !reader.isAtClose else { return }
      let value = try reader.nstringText()
      if let name, let value { pairs.append(.init(name: name.lowercased(), value: value)) }
    }
    return pairs
  }
}
