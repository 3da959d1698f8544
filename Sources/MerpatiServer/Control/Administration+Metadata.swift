import Foundation
import IMAPServer
import MailStore
import NIOCore

/// `merpati metadata`: entries of the server that all accounts read (RFC 5464 §3.2.1.1).
extension Administration {
  /// All, or the one of this name.
  func metadata(_ entry: String?) async throws -> [MetadataReport] {
    let wanted = try entry.map(Self.entry)
    let all = try await store.serverAnnotations()
    guard let wanted else { return all.map(MetadataReport.init) }
    guard let found = all.first(where: { $0.entry == wanted }) else { throw Self.unset(wanted) }
    return [MetadataReport(found)]
  }

  /// `value` nil: the entry is removed. Sessions that have asked for it hear of the change.
  func changeMetadata(_ name: String, _ value: Data?) async throws -> String {
    let entry = try Self.entry(name)
    let bytes = value.map { ByteBuffer(bytes: $0) }
    if let bytes {
      do throws(ServerEntry.Refusal) { try ServerEntry.check(entry, bytes) } catch {
        throw ControlFailure(.data, Self.sentence(error, entry))
      }
    } else {
      let isSet = try await store.serverAnnotations().contains { $0.entry == entry }
      guard isSet else { throw Self.unset(entry) }
    }
    let limits = ServerEntry.limits
    guard try await store.setServerAnnotations([AnnotationChange(entry, bytes)], limits: limits) else {
      throw ControlFailure(
        .cannotCreate,
        "\(entry): the server has at most \(limits.entries) entries, and \(limits.octets) octets in all; remove some first"
      )
    }
    guard let bytes else { return "\(entry): removed" }
    return "\(entry): \(bytes.readableBytes) octets"
  }

  private static func entry(_ name: String) throws(ControlFailure) -> String {
    do throws(ServerEntry.Refusal) { return try ServerEntry.name(name) } catch {
      throw ControlFailure(.usage, sentence(error, name))
    }
  }

  private static func sentence(_ refusal: ServerEntry.Refusal, _ entry: String) -> String {
    switch refusal {
    case .malformedName:
      "'\(entry)' is not the name of an entry: it begins with /shared/, has at most \(ServerEntry.longestName) characters "
        + "of visible ASCII, no * and no %, and nothing empty between two slashes or at its end"
    case .privateName:
      "\(entry): what is below /private is each account's own; the server's entries begin with /shared/"
    case .shortVendorName:
      "\(entry): entries of a vendor have four components at least, as /shared/vendor/example/note has"
    case .longValue: "\(entry): the value is too long; it has at most \(ServerEntry.longestValue) octets"
    case .notText: "\(entry): its value is a text in UTF-8, and this is none"
    case .notURI: "\(entry): its value is a URI, such as mailto:postmaster@example.org or tel:+62-21-555"
    case .notFilterName(let name):
      "'\(name)' is not the name of a filter: it has no slash, no space and none of ( ) { % * ] \" \\"
    case .notSearch(let reason): "\(entry): not a search: \(reason)"
    }
  }

  private static func unset(_ entry: String) -> ControlFailure {
    ControlFailure(.data, "\(entry): there is no such entry; 'merpati metadata list' shows those there are")
  }
}

extension MetadataReport {
  /// Octets.
  public static let longestValue = ServerEntry.longestValue

  init(_ annotation: Annotation) {
    entry = annotation.entry
    octets = annotation.value.readableBytes
    value = String(validating: annotation.value.readableBytesView, as: UTF8.self)
    if value == nil { base64 = Data(annotation.value.readableBytesView) }
  }
}
