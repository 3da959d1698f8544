import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// GETMETADATA (RFC 5464 §4.2).
  func getMetadata(_ command: GetMetadataCommand) async throws(CommandError) -> Completion {
    let account = try accountID()
    let place = try await annotated(command.mailbox)
    let found = try await storeCall { store throws(StoreError) in
      let found = try await store.annotations(of: place.account, as: account)[place.mailbox] ?? []
      guard place.mailbox == nil else { return found }
      // RFC 5464 §3.3: everybody may read what the administrator has set.
      return try await found + store.serverAnnotations()
    }
    guard !isOver else { throw .connectionClosed }
    let (values, longest) = await MetadataLookup(found).valuesAside(command)
    guard !isOver else { throw .connectionClosed }
    connection.out.writeMetadata(command.mailbox, values, wire)
    // RFC 5464 §4.2.1
    return .ok("GETMETADATA completed", code: longest.map { ResponseCode.other("METADATA LONGENTRIES \($0)") })
  }

  /// SETMETADATA (RFC 5464 §4.3): all or nothing.
  func setMetadata(_ command: SetMetadataCommand) async throws(CommandError) -> Completion {
    let account = try accountID()
    let place = try await annotated(command.mailbox)
    for value in command.values {
      // What all accounts would share is the administrator's.
      if place.mailbox == nil, value.entry.hasPrefix("/shared/") {
        throw .no(.noPerm, "Shared entries of the server are set by the administrator")
      }
      if !place.mayShare, value.entry.hasPrefix("/shared/") {
        throw .no(.noPerm, "You have no right to change what others see")
      }
      guard (value.value?.readableBytes ?? 0) <= settings.metadataValue else {
        throw .no(.other("METADATA MAXSIZE \(settings.metadataValue)"), "The value is too long")
      }
      if place.mailbox == nil, let filter = value.value { try FilterEntry.check(value.entry, filter, settings.wire) }
    }
    let changes = command.values.map { AnnotationChange($0.entry, $0.value) }
    let limits = AnnotationLimits(entries: settings.metadataEntries, octets: settings.metadataOctets)
    let authors = [notify?.watch?.id, metadata?.id].compactMap { $0 }
    let isDone = try await storeCall { store throws(StoreError) in
      try await store.setAnnotations(
        changes, in: place.mailbox, of: place.account, as: account, limits: limits, by: authors)
    }
    guard isDone else {
      throw .no(.other("METADATA TOOMANY"), "At most \(limits.entries) entries, and \(limits.octets) octets in all")
    }
    return .ok("SETMETADATA completed")
  }

  /// What annotations belong to.
  private struct Annotated: Sendable {
    var account: AccountID
    /// Nil: the server.
    var mailbox: MailboxID?
    /// May change `/shared` entries.
    var mayShare = true
  }

  /// The mailbox of this name, or the server. RFC 5464 §3.3: of others' mailboxes `l` is needed and one right more.
  private func annotated(_ name: MailboxName) async throws(CommandError) -> Annotated {
    guard !name.string.isEmpty else { return Annotated(account: try accountID()) }
    let found = try await find(name, .lookup, anyOf: .forMetadata)
    guard found.info.isSelectable else { throw .store(.notSelectable(name.string)) }
    return Annotated(account: found.account, mailbox: found.info.id, mayShare: found.rights.contains(.write))
  }

  /// ENABLE METADATA: from now on the client hears what others annotate (RFC 5464 §4.4).
  func enableMetadata() async throws(CommandError) {
    guard metadata == nil else { return }
    let account = try accountID()
    metadata = try await storeCall { store throws(StoreError) in
      try await store.watch(account, onChange: self.accountWakeUp())
    }
  }

  /// What others have annotated since the last time, for a session that has enabled it.
  func tellMetadata() {
    guard let metadata, !isOver else { return }
    writeAnnotated(metadata.news()) { _, _ in true }
  }

  /// What of `news` is annotated and `wanted`: by name, and the id under which the mailbox is listed; nil: the server.
  func writeAnnotated(_ news: AccountNews, where wanted: (String, MailboxID?) -> Bool) {
    guard !news.annotated.isEmpty else { return }
    var names: [String: [String]] = [:]
    for annotation in news.annotated {
      guard let (name, id) = place(of: annotation, news), wanted(name, id) else { continue }
      names[name, default: []].append(annotation.entry)
    }
    for (name, entries) in names.sorted(by: { $0.key < $1.key }) {
      connection.out.writeMetadataChange(MailboxName(name), entries.sorted(), wire)
    }
  }

  /// Nil: there is no such mailbox any more, or none that this session may know of.
  private func place(of annotation: AnnotationName, _ news: AccountNews) -> (name: String, id: MailboxID?)? {
    guard let mailbox = annotation.mailbox else { return ("", nil) }
    guard let owner = annotation.owner else { return news.annotatedMailboxes[mailbox].map { ($0, mailbox) } }
    let ref = MailboxRef(account: owner, mailbox: mailbox)
    guard let shared = news.annotatedElsewhere[ref], shared.rights.showsAnnotations,
      let name = listener.namespaces.name(of: shared.info.name, owner: shared.ownerName)
    else { return nil }
    return (name, shared.listedID)
  }
}

/// Annotations of one mailbox, by name.
struct MetadataLookup: Sendable {
  private let values: [String: ByteBuffer]

  init(_ annotations: [Annotation]) {
    values = Dictionary(annotations.map { ($0.entry, $0.value) }) { first, _ in first }
  }

  /// The same, off the event loop where very many are asked for: one command may name thousands, with a depth each.
  func valuesAside(_ command: GetMetadataCommand) async -> (values: [SetMetadataCommand.Value], longest: Int?) {
    guard command.entries.count > 64 else { return values(command) }
    return await offLoop { values(command) }
  }

  /// Those asked for, each once; and the size of the longest that was too long.
  func values(_ command: GetMetadataCommand) -> (values: [SetMetadataCommand.Value], longest: Int?) {
    var found: [SetMetadataCommand.Value] = []
    var seen: Set<String> = []
    var longest: Int?
    for entry in command.entries {
      var names = [entry]
      if command.depth != .zero {
        let start = entry + "/"
        names += values.keys.filter { name in
          name.hasPrefix(start) && (command.depth == .infinity || !name.dropFirst(start.count).contains("/"))
        }.sorted()
      }
      for name in names where seen.insert(name).inserted {
        guard let value = values[name] else {
          // With a depth it is a tree that is asked for, and its root need not have a value.
          if command.depth == .zero { found.append(.init(name, nil)) }
          continue
        }
        if let limit = command.maxSize, Int64(value.readableBytes) > limit {
          longest = max(longest ?? 0, value.readableBytes)
        } else {
          found.append(.init(name, value))
        }
      }
    }
    return (found, longest)
  }
}
