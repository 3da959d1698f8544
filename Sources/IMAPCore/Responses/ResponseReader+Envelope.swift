import Bytes
import NIOCore

extension ResponseReader {
  /// envelope; nil, and stepped over, when it makes no sense.
  mutating func envelopeIfReadable() throws(ResponseSyntaxError) -> EnvelopeValue? {
    spaces()
    if takeNil() { return nil }
    let start = cursor.position
    let depth = depth
    do {
      return try envelope()
    } catch {
      cursor.position = start
      self.depth = depth
      try skipValue()
      return nil
    }
  }

  mutating func envelope() throws(ResponseSyntaxError) -> EnvelopeValue {
    var envelope = EnvelopeValue()
    spaces()
    try open()
    var field = 0
    // Fields that the server left out at the end stay empty; fields too many are passed over.
    while !close() {
      switch field {
      case 0: envelope.date = try nstring()
      case 1: envelope.subject = try nstring()
      case 2: envelope.from = try addresses()
      case 3: envelope.sender = try addresses()
      case 4: envelope.replyTo = try addresses()
      case 5: envelope.to = try addresses()
      case 6: envelope.cc = try addresses()
      case 7: envelope.bcc = try addresses()
      case 8: envelope.inReplyTo = try nstring()
      case 9: envelope.messageID = try nstring()
      default: try skipValue()
      }
      field += 1
    }
    return envelope
  }

  private mutating func addresses() throws(ResponseSyntaxError) -> [EnvelopeValue.Address] {
    spaces()
    guard cursor.peek == UInt8(ascii: "(") else {
      // NIL; some servers send "" for nobody.
      try skipValue()
      return []
    }
    var addresses: [EnvelopeValue.Address] = []
    try list { (reader) throws(ResponseSyntaxError) in
      guard reader.cursor.peek == UInt8(ascii: "(") else { return try reader.skipValue() }
      try reader.open()
      var values: [ByteBuffer?] = []
      while !reader.close() {
        if values.count < 4 { values.append(try reader.nstring()) } else { try reader.skipValue() }
      }
      while values.count < 4 { values.append(nil) }
      addresses.append(.init(name: values[0], route: values[1], mailbox: values[2], host: values[3]))
    }
    return addresses
  }
}
