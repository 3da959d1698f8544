import IMAPCore
import MailFormat
import MailStore

/// What a FETCH wants of each message, worked out once.
struct FetchPlan: Sendable {
  /// UID first, then FLAGS, then the rest in the order asked for, sections last.
  private(set) var items: [FetchItem] = []
  private(set) var sections: [Section] = []
  private(set) var wantsUID: Bool
  private(set) var wantsFlags = false
  private(set) var setsSeen: Bool
  private(set) var needs: ContentNeeds = []

  /// A section item with its field names folded.
  struct Section: Sendable {
    var item: FetchItem
    var kind: Kind
    var partial: Partial?
    /// Read from the lines kept beside the message.
    var fromCommonHeaders = false

    enum Kind: Sendable {
      case stored(SectionPath)
      case fields(SectionPath, names: [[UInt8]], not: Bool)
      case binary([Int])
      case binarySize([Int])
    }
  }

  /// All of it is in the view.
  var isInMemory: Bool { needs.isEmpty }
  /// Some section opens the message.
  var opensMessage: Bool { needs.contains(.message) }

  init(_ command: FetchCommand) {
    wantsUID = command.uid
    setsSeen = command.setsSeen
    for item in command.items {
      switch item {
      case .uid: wantsUID = true
      case .flags: wantsFlags = true
      case .internalDate, .size:
        needs.insert(.dates)
        items.append(item)
      case .envelope:
        needs.insert(.envelope)
        items.append(item)
      case .body, .bodyStructure:
        needs.insert(.bodyStructure)
        items.append(item)
      default: addSection(item)
      }
    }
  }

  private mutating func addSection(_ item: FetchItem) {
    guard var section = Self.section(item) else { return }
    if case .fields(let path, let names, let not) = section.kind, path.path.isEmpty, !not,
      names.allSatisfy({ CommonHeaders.contains($0) })
    {
      section.fromCommonHeaders = true
      needs.insert(.headers)
    } else {
      // The size decides whether the message may be held; the trace lines belong to the header.
      needs.formUnion([.message, .headers, .dates])
    }
    sections.append(section)
  }

  private static func section(_ item: FetchItem) -> Section? {
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
          .fields(SectionPath(path, .header), names: names.map { Array($0.utf8) }, not: false)
        case .headerFieldsNot(let names):
          .fields(SectionPath(path, .header), names: names.map { Array($0.utf8) }, not: true)
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
