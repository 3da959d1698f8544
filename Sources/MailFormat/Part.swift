import Bytes

/// How the bytes of a body are encoded (RFC 2045 §6).
public enum TransferEncoding: UInt8, Sendable {
  case sevenBit, eightBit, binary, quotedPrintable, base64, uuencode
  /// Named in the message but unknown here.
  case other
}

/// The header fields that describe a part.
public enum ContentField: Int, Sendable, CaseIterable {
  case type, transferEncoding, id, description, disposition, md5, language, location
}

/// One part of a message: where its bytes are and what they are. All offsets are relative to the message's start.
///
/// Values of header fields are not copied out; `range(of:)` says where they stand.
public struct Part: Sendable, Equatable {
  /// From the first header byte to the body: the empty line is included.
  public internal(set) var headerRange: Range<Int>
  /// The line end before a closing boundary belongs to the boundary (RFC 2046 §5.1.1).
  public internal(set) var bodyRange: Range<Int>
  /// Line feeds in the body.
  public internal(set) var lineCount: Int
  /// Media type in lower case; the default of RFC 2045 §5.2 where the message says nothing usable.
  public internal(set) var type: String
  public internal(set) var subtype: String
  /// The charset parameter in lower case, as given; nil when there is none.
  public internal(set) var charset: String?
  public internal(set) var encoding: TransferEncoding
  /// True when limits forbade to look inside a multipart or embedded message.
  public internal(set) var isOpaque: Bool
  /// Parts of a multipart (at least one: an empty one when the message has none), or the one embedded message.
  public internal(set) var children: [Part]
  var fields: ContentFields

  public var headerStart: Int { headerRange.lowerBound }
  public var bodyStart: Int { bodyRange.lowerBound }
  public var bodyEnd: Int { bodyRange.upperBound }

  public var isMultipart: Bool { !children.isEmpty && type == "multipart" }
  /// An embedded message: message/rfc822, or message/global (RFC 6532 §3.7), with one child.
  public var isMessage: Bool { !children.isEmpty && type == "message" }
  public var isText: Bool { type == "text" }

  init(headerStart: Int) {
    headerRange = headerStart..<headerStart
    bodyRange = headerStart..<headerStart
    lineCount = 0
    type = "text"
    subtype = "plain"
    encoding = .sevenBit
    isOpaque = false
    children = []
    fields = ContentFields()
  }

  /// Where the value of a content field stands (without leading blanks and the final line end); nil when absent.
  public func range(of field: ContentField) -> Range<Int>? {
    fields[field].map { $0.lowerBound + headerStart..<$0.upperBound + headerStart }
  }

  /// The value of a content field, unfolded; nil when absent.
  public func value(of field: ContentField, in bytes: RawSpan) -> String? {
    range(of: field).map { String(decoding: HeaderFields.unfolded(bytes, bytes.clamped($0)), as: UTF8.self) }
  }

  /// Content-Type parameters, RFC 2231 continuations joined; an extended value keeps its charset and its name the `*`.
  public func parameters(in bytes: RawSpan) -> [MIMEParameter] {
    guard let range = range(of: .type) else { return [] }
    return MIMEParameter.list(ofType: bytes, bytes.clamped(range))
  }

  /// The disposition and its parameters (RFC 2183); nil when absent or not readable.
  public func disposition(in bytes: RawSpan) -> (value: String, parameters: [MIMEParameter])? {
    guard let range = range(of: .disposition) else { return nil }
    guard let value = DispositionValue(bytes, bytes.clamped(range)) else { return nil }
    // RFC 2183 §2.8: a type that is not known is an attachment.
    let type = value.type.isEmpty ? "attachment" : bytes.lowercased(value.type)
    return (type, MIMEParameter.list(bytes, value.parameters))
  }
}

/// Places of the content fields' values, relative to the header's start. An absent one has the start `.max`.
struct ContentFields: Sendable, Equatable {
  struct Place: Sendable, Equatable {
    var start: UInt32 = .max
    var length: UInt32 = 0
  }
  var type = Place()
  var transferEncoding = Place()
  var id = Place()
  var description = Place()
  var disposition = Place()
  var md5 = Place()
  var language = Place()
  var location = Place()

  private func place(_ field: ContentField) -> Place {
    switch field {
    case .type: type
    case .transferEncoding: transferEncoding
    case .id: id
    case .description: description
    case .disposition: disposition
    case .md5: md5
    case .language: language
    case .location: location
    }
  }

  subscript(field: ContentField) -> Range<Int>? {
    get {
      let place = place(field)
      return place.start == .max ? nil : Int(place.start)..<Int(place.start) + Int(place.length)
    }
    set {
      var place = Place()
      if let newValue, let start = UInt32(exactly: newValue.lowerBound), let length = UInt32(exactly: newValue.count),
        start != .max
      {
        place = Place(start: start, length: length)
      }
      switch field {
      case .type: type = place
      case .transferEncoding: transferEncoding = place
      case .id: id = place
      case .description: description = place
      case .disposition: disposition = place
      case .md5: md5 = place
      case .language: language = place
      case .location: location = place
      }
    }
  }
}
