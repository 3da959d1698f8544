/// What one pass over a message finds: its tree of parts with their offsets.
public struct MessageIndex: Sendable, Equatable {
  public var root: Part
  /// Bytes of the message header with the separating empty line; `size` when there is no empty line.
  public var headerLength: Int
  /// Bytes of the message.
  public var size: Int

  init(root: Part, size: Int) {
    self.root = root
    self.headerLength = root.headerRange.upperBound
    self.size = size
  }

  /// Reads a message in one pass. Any bytes are a message; nothing is refused.
  public static func parse(_ bytes: RawSpan, limits: MIMELimits = .init()) -> MessageIndex {
    parse(bytes, limits: limits, step: nil)
  }

  /// - step: see `MessageSummary.make`.
  static func parse(_ bytes: RawSpan, limits: MIMELimits, step: (() -> Void)?) -> MessageIndex {
    var parser = PartParser(limits: limits, step: step)
    let root = parser.entity(bytes, depth: 1, insideDigest: false)
    return MessageIndex(root: root, size: bytes.byteCount)
  }
}

/// A section specification of FETCH (RFC 9051 §6.4.5).
public struct SectionPath: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// `BODY[]`, `BODY[1.2]`
    case whole
    /// `HEADER` (and the place where HEADER.FIELDS is cut from)
    case header
    /// `TEXT`
    case text
    /// `MIME`; only behind part numbers
    case mime
  }
  /// Part numbers, from 1.
  public var path: [Int]
  public var kind: Kind

  public init(_ path: [Int] = [], _ kind: Kind = .whole) {
    self.path = path
    self.kind = kind
  }
}

extension MessageIndex {
  /// The part with an IMAP part number; nil when the message has none such. An empty path is the message itself.
  public func part(at path: [Int]) -> Part? {
    guard let first = path.first else { return root }
    guard var part = Self.child(first, ofMessage: root) else { return nil }
    for number in path.dropFirst() {
      let next: Part?
      if part.isMessage, let message = part.children.first {
        // RFC 9051 §6.4.5: numbers behind a message/rfc822 count inside its message.
        next = Self.child(number, ofMessage: message)
      } else if part.isMultipart {
        next = Self.child(number, ofMultipart: part)
      } else {
        next = nil
      }
      guard let next else { return nil }
      part = next
    }
    return part
  }

  /// The bytes of a section; nil when the message has no such part.
  public func range(of section: SectionPath) -> Range<Int>? {
    if section.path.isEmpty {
      switch section.kind {
      case .whole: return 0..<size
      case .header: return root.headerRange
      case .text: return root.bodyRange
      case .mime: return nil  // RFC 9051 §6.4.5: MIME MUST be prefixed by part numbers.
      }
    }
    guard let part = part(at: section.path) else { return nil }
    switch section.kind {
    case .whole: return part.bodyRange
    case .mime: return part.headerRange
    // RFC 9051 §6.4.5: behind numbers HEADER and TEXT need a part of type message/rfc822 or message/global.
    case .header: return part.isMessage ? part.children.first?.headerRange : nil
    case .text: return part.isMessage ? part.children.first?.bodyRange : nil
    }
  }

  /// RFC 9051 §6.4.5: a message that is not multipart has only part 1, which is its body.
  private static func child(_ number: Int, ofMessage message: Part) -> Part? {
    if message.isMultipart { return child(number, ofMultipart: message) }
    return number == 1 ? message : nil
  }

  private static func child(_ number: Int, ofMultipart part: Part) -> Part? {
    number >= 1 && number <= part.children.count ? part.children[number - 1] : nil
  }
}
