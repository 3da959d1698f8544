import MailStore

/// What `content` keeps of a message, each in a column of the same name; and in one of `content_chunk` for many, in this
/// order there: a base comes before the parts that need it, and what is short before what is long, since SQLite reads all
/// that stands before a column.
enum ContentPart: Int, CaseIterable {
  case parts, trace, structure, envelope, headers, sort, body, preview

  /// The part that this one repeats much of: it is compressed after that one's bytes. Header lines repeat as much of ENVELOPE,
  /// and are read by themselves too often.
  var base: ContentPart? {
    switch self {
    case .sort: .envelope
    case .body: .structure
    default: nil
    }
  }

  /// It is also read of single messages: when one is opened, or a search asks whether it is what it looks for. Such a part is
  /// compressed by so many messages, and the others are left as they are until they are wanted.
  var group: Int {
    switch self {
    case .headers, .trace, .parts: 16
    default: .max
    }
  }

  static let columns = allCases.map { "\($0)" }
}

struct ContentParts: OptionSet, Hashable {
  let rawValue: UInt8
  init(rawValue: UInt8) { self.rawValue = rawValue }
  init(_ part: ContentPart) { rawValue = 1 << UInt8(part.rawValue) }

  static let all = ContentParts(rawValue: .max)

  func contains(_ part: ContentPart) -> Bool { contains(ContentParts(part)) }

  /// With those that are needed to decompress them.
  var withBases: ContentParts {
    var result = self
    for part in ContentPart.allCases where contains(part) {
      if let base = part.base { result.insert(ContentParts(base)) }
    }
    return result
  }
}

/// When the columns of contents are brought together in chunks (see `ContentSealing`). Tests set it.
public struct ContentChunkSizes: Sendable, Hashable {
  /// Messages of a chunk.
  public var capacity: Int
  /// Messages of an account that keep their columns in their own rows until a delivery brings the oldest together.
  public var loose: Int

  public init(capacity: Int = StoreLimits.contentChunk, loose: Int = StoreLimits.looseContents) {
    self.capacity = capacity
    self.loose = loose
  }
}
