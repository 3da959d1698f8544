import IMAPCore
import MailFormat
import MailStore

/// What a FETCH wants of each message, worked out once.
struct FetchPlan: Sendable {
  /// UID first, then MODSEQ and FLAGS, then the rest in the order asked for, sections last.
  private(set) var items: [Column] = []
  private(set) var sections: [Section] = []
  private(set) var wantsUID: Bool
  private(set) var wantsFlags = false
  private(set) var wantsModSeq: Bool
  private(set) var setsSeen: Bool
  private(set) var needs: ContentNeeds = []
  /// Headers with UTF-8 are shown in ASCII (RFC 6858).
  var surrogates = false
  /// How strings are written that are not kept in the form in which they go out.
  let wire: WireOptions

  /// What is kept beside the message.
  enum Column: Sendable {
    case internalDate, size, saveDate, envelope, body, bodyStructure, preview, emailID, threadID
  }

  /// A single section that is written without looking at the message's parts.
  enum Quick: Sendable {
    case wholeMessage
    case commonFields(HeaderFieldNames)
  }

  /// A section item with its field names folded.
  struct Section: Sendable {
    var item: FetchItem
    var kind: Kind
    var partial: Partial?

    enum Kind: Sendable {
      case stored(SectionPath)
      case fields(SectionPath, names: HeaderFieldNames, not: Bool)
      case binary([Int])
      case binarySize([Int])
    }
  }

  /// Sections of one message that are written into memory in one go, whatever they hold; more are sent one by one.
  private static let sectionsHeld = 16

  /// A message of `size` octets is sent section by section: it, or all that is wanted of it together, is too much to be
  /// held.
  func streams(messageOf size: Int64, wholeMessageLimit: Int) -> Bool {
    guard opensMessage else { return false }
    return size > wholeMessageLimit
      || sections.count > Self.sectionsHeld
        && size * Int64(sections.count) > Int64(Self.sectionsHeld * wholeMessageLimit)
  }

  /// Something of it comes from a header.
  var showsHeaders: Bool {
    !sections.isEmpty || items.contains { $0 == .envelope || $0 == .body || $0 == .bodyStructure }
  }

  /// All of it is in the view.
  var isInMemory: Bool { needs.isEmpty }
  /// Some section opens the message.
  var opensMessage: Bool { needs.contains(.message) }
  /// There are sections, and none but of lines that are kept beside the message.
  var readsKeptLines: Bool { needs.contains(.headers) && !opensMessage }

  init(_ command: FetchCommand, _ wire: WireOptions, _ enabled: EnabledExtensions = []) {
    self.wire = wire
    // RFC 9586 §3.3: a UIDFETCH begins with it, and repeats it only if asked.
    wantsUID = command.uid && !enabled.isUIDOnly
    // RFC 7162 §3.1.4.1
    wantsModSeq = command.changedSince != nil
    setsSeen = command.setsSeen
    var known: Set<FetchItem> = []
    for item in command.items {
      switch item {
      case .uid: wantsUID = true
      case .flags: wantsFlags = true
      case .modSeq: wantsModSeq = true
      case .internalDate:
        needs.insert(.dates)
        add(.internalDate)
      case .size:
        needs.insert(.dates)
        add(.size)
      // It is made when the message comes, so LAZY has nothing to wait for (RFC 8970 §4.1).
      case .preview:
        needs.insert(.preview)
        add(.preview)
      case .saveDate:
        needs.insert(.dates)
        add(.saveDate)
      case .emailID:
        needs.insert(.identifiers)
        add(.emailID)
      case .threadID:
        needs.insert(.identifiers)
        add(.threadID)
      case .envelope:
        needs.insert(.envelope)
        add(.envelope)
      case .body:
        needs.insert(.body)
        add(.body)
      case .bodyStructure:
        needs.insert(.bodyStructure)
        add(.bodyStructure)
      // What is asked for twice is sent once: two thousand times the same are a way to fill memory, not to read mail.
      default: if known.insert(item).inserted { addSection(item) }
      }
    }
    // Each of them may be as long as the lines beside the message are together.
    if sections.count > Self.sectionsHeld { needs.formUnion([.message, .dates]) }
  }

  private mutating func add(_ column: Column) {
    if !items.contains(column) { items.append(column) }
  }

  /// Nil: the sections are written one by one.
  var quick: Quick? {
    guard sections.count == 1, let section = sections.first, section.partial == nil else { return nil }
    switch section.kind {
    case .stored(let path): return path == SectionPath([], .whole) ? .wholeMessage : nil
    case .fields(_, let names, _): return opensMessage ? nil : .commonFields(names)
    case .binary, .binarySize: return nil
    }
  }

  private mutating func addSection(_ item: FetchItem) {
    guard let section = Self.section(item) else { return }
    if case .fields(let path, _, let not) = section.kind, path.path.isEmpty, !not,
      case .bodySection(let wanted, _, _) = item, case .headerFields(let names) = wanted.text,
      names.allSatisfy({ CommonHeaders.contains(Array($0.utf8)) })
    {
      needs.insert(.headers)
    } else {
      // The size decides whether the message may be held; the trace lines belong to the header.
      needs.formUnion([.message, .dates])
    }
    sections.append(section)
  }

  static func section(_ item: FetchItem) -> Section? {
    switch item {
    case .bodySection(let section, let partial, _):
      let path = section.part.map { Int($0) }
      let kind: Section.Kind =
        switch section.text {
        case .whole: .stored(SectionPath(path, .whole))
        case .header: .stored(SectionPath(path, .header))
        case .text: .stored(SectionPath(path, .text))
        case .mime: .stored(SectionPath(path, .mime))
        case .headerFields(let names):
          .fields(SectionPath(path, .header), names: HeaderFieldNames(names.map { Array($0.utf8) }), not: false)
        case .headerFieldsNot(let names):
          .fields(SectionPath(path, .header), names: HeaderFieldNames(names.map { Array($0.utf8) }), not: true)
        }
      return Section(item: item, kind: kind, partial: partial)
    case .binary(let part, let partial, _):
      return Section(item: item, kind: .binary(part.map { Int($0) }), partial: partial)
    case .binarySize(let part): return Section(item: item, kind: .binarySize(part.map { Int($0) }))
    // RFC 3501 §6.4.5
    case .rfc822: return Section(item: item, kind: .stored(SectionPath([], .whole)))
    case .rfc822Header: return Section(item: item, kind: .stored(SectionPath([], .header)))
    case .rfc822Text: return Section(item: item, kind: .stored(SectionPath([], .text)))
    default: return nil
    }
  }
}

extension MessageIndex {
  /// Where a section's octets stand, counted with `trace` octets in front of the message: trace lines are the beginning
  /// of its header. Nil: there is no such section.
  func place(of path: SectionPath, trace: Int) -> Range<Int>? {
    guard let range = range(of: path) else { return nil }
    let startsWithTrace = path.path.isEmpty && path.kind != .text
    return (startsWithTrace ? 0 : range.lowerBound + trace)..<range.upperBound + trace
  }

  /// The part a BINARY item means; nil: there is none.
  func binaryPart(_ path: [Int]) -> Part? { part(at: path) }
}
