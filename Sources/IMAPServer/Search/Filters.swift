import IMAPCore
import MailNet
import MailStore
import NIOCore

/// Searches with a name (RFC 5466), kept as annotations of the server: one's own below `root`, those of all accounts, which
/// the administrator sets, below `publicRoot`.
enum FilterEntry {
  static let root = "/private/filters/values/"
  static let publicRoot = "/shared/filters/values/"

  /// RFC 5466 §3.2: a filter that is not a search is refused when it is stored.
  static func check(_ entry: String, _ value: ByteBuffer, _ limits: IMAPLimits) throws(CommandError) {
    guard entry.hasPrefix(root) else { return }
    guard SearchKey.isFilterName(entry.dropFirst(root.count)) else { throw .no(.cannot, "Not the name of a filter") }
    do { _ = try SearchKey(parsing: value, limits: limits) } catch {
      throw .no(.cannot, "Not a search: \(error.reason)")
    }
  }
}

extension IMAPSession {
  /// The command with what its filters stand for (RFC 5466 §3.1). It costs nothing where there are none.
  func expandingFilters(_ command: SearchCommand) async throws(CommandError) -> SearchCommand {
    guard command.key.hasFilter else { return command }
    if let charset = command.charset, charset != "UTF-8", charset != "US-ASCII" {
      throw .badCharset(["UTF-8", "US-ASCII"], "A filter is in UTF-8")
    }
    let account = try accountID()
    let (own, shared) = try await storeCall { store throws(StoreError) in
      (try await store.annotations(of: account)[nil] ?? [], try await store.serverAnnotations())
    }
    guard !isOver else { throw .connectionClosed }
    var expansion = FilterExpansion(own, shared, settings)
    var command = command
    command.key = try expansion.expand(command.key, within: [])
    if enabled.isUIDOnly, command.key.hasSequenceNumbers {
      // RFC 9586 §3
      throw .rejected(IMAPSyntaxError(code: .uidRequired, "Message numbers are not allowed with UIDONLY", at: 0))
    }
    return command
  }
}

private struct FilterExpansion {
  /// RFC 5466 §3.1: three substitutions at least.
  private static let depth = 8

  private let filters: [String: ByteBuffer]
  private let limits: IMAPLimits
  private let most: Int
  private var count = 0
  /// Criteria of the whole search, with those that filters bring.
  private var criteria = 0
  private var octets: Int64 = 0

  init(_ own: [Annotation], _ shared: [Annotation], _ settings: IMAPServerSettings) {
    // RFC 5466 §3.2: where there are both, one's own is meant.
    filters = Self.filters(shared, below: FilterEntry.publicRoot)
      .merging(Self.filters(own, below: FilterEntry.root)) { $1 }
    limits = settings.wire
    most = settings.filtersPerSearch
  }

  private static func filters(_ annotations: [Annotation], below root: String) -> [String: ByteBuffer] {
    var filters: [String: ByteBuffer] = [:]
    for annotation in annotations where annotation.entry.hasPrefix(root) {
      filters[String(annotation.entry.dropFirst(root.count))] = annotation.value
    }
    return filters
  }

  mutating func expand(_ key: SearchKey, within names: [String]) throws(CommandError) -> SearchKey {
    criteria += 1
    guard criteria <= limits.listElements else {
      throw .no(.limit, "At most \(limits.listElements) criteria in a search with filters")
    }
    switch key {
    case .and(let keys):
      var expanded: [SearchKey] = []
      for key in keys { expanded.append(try expand(key, within: names)) }
      return .and(expanded)
    case .or(let first, let second): return .or(try expand(first, within: names), try expand(second, within: names))
    case .fuzzy(let key): return .fuzzy(try expand(key, within: names))
    case .not(let key): return .not(try expand(key, within: names))
    case .filter(let name):
      let lower = name.lowercased()
      count += 1
      guard count <= most else { throw .no(.limit, "At most \(most) filters in a search") }
      // A loop, or a filter that is no search any more, counts as one that is not there.
      guard !names.contains(lower), names.count < Self.depth, let value = filters[lower] else {
        throw undefined(name)
      }
      // No more than a command could hold.
      octets += Int64(value.readableBytes)
      guard octets <= limits.literals else { throw .no(.limit, "The filters are too long together") }
      let inner: SearchKey
      do { inner = try SearchKey(parsing: value, limits: limits) } catch { throw undefined(name) }
      return try expand(inner, within: names + [lower])
    default: return key
    }
  }

  private func undefined(_ name: String) -> CommandError {
    .no(.other("UNDEFINED-FILTER \(name)"), "No such filter")
  }
}
