public import IMAPClient
import IMAPCore
import MailFormat
public import MailSync
public import NIOCore

/// What of a message is wanted.
public enum Reading: Sendable, Hashable {
  /// The message as it is stored.
  case raw
  case header
  /// A part's content, its transfer encoding undone; `raw`: as it travels.
  case part([UInt32], raw: Bool)

  /// `2`, `1.3`.
  public static func path(_ text: String) throws(BrowseError) -> [UInt32] {
    let numbers = text.split(separator: ".", omittingEmptySubsequences: false).map { UInt32($0) }
    guard !numbers.isEmpty, numbers.count <= 100, !numbers.contains(where: { $0 == nil || $0 == 0 }) else {
      throw .notAPart(text)
    }
    return numbers.compactMap { $0 }
  }
}

/// Reads one message of a mailbox, on its server or at home; only the bytes that are asked for travel.
public struct MessageReading {
  let source: any MessageSource

  /// - markSeen: SELECT and BODY[], so that reading marks the message; else EXAMINE and BODY.PEEK[].
  public static func open(
    _ client: IMAPClient, mailbox: String, markSeen: Bool
  ) async throws -> MessageReading {
    _ = try await client.open(mailbox, readOnly: !markSeen)
    return MessageReading(source: ServerSource(client: client, mailbox: mailbox))
  }

  /// From what `pull imap --mode headers` brought; the server is asked for what is not at home.
  public static func open(_ replica: HeaderReplica, mailbox: String) async throws -> MessageReading {
    MessageReading(source: ReplicaSource(replica: replica, mailbox: try await replica.mailbox(mailbox).name))
  }

  /// Envelope, flags, size and structure; no body.
  public func overview(_ uid: UInt32) async throws -> MessageOverview {
    let found = try await source.message(uid)
    guard let structure = found.structure else { throw BrowseError.noStructure(uid: uid) }
    return MessageOverview(found, structure)
  }

  /// Hands the bytes to `write`, piece by piece; nothing is held that is larger than the client's own limit.
  public func read(
    _ uid: UInt32, _ reading: Reading, markSeen: Bool, _ write: (ByteBuffer) async throws -> Void
  ) async throws {
    switch reading {
    case .raw: try await source.fetch(uid, BodySection(), markSeen, write)
    case .header: try await source.fetch(uid, BodySection(part: [], .header), markSeen, write)
    case .part(let path, raw: true):
      _ = try await leaf(uid, path)
      try await source.fetch(uid, BodySection(part: path), markSeen, write)
    case .part(let path, raw: false):
      let part = try await leaf(uid, path).structure
      guard var decoder = TransferDecoder(encodingName: part.encoding, fixesLineEnds: false) else {
        throw BrowseError.unknownEncoding(
          uid: uid, part: path.map(String.init).joined(separator: "."), encoding: part.encoding)
      }
      try await source.fetch(uid, BodySection(part: path), markSeen) { piece in
        var out = ByteBuffer()
        decoder.decode(piece.readableBytesSpan, into: &out)
        if out.readableBytes > 0 { try await write(out) }
      }
      var rest = ByteBuffer()
      decoder.finish(into: &rest)
      if rest.readableBytes > 0 { try await write(rest) }
    }
  }

  /// The part that a reader looks at first, as UTF-8, cut at `limit` octets.
  public func text(of overview: MessageOverview, markSeen: Bool, limit: Int = 1 << 20) async throws -> String {
    guard let leaf = overview.tree.text else { return "" }
    var text = ByteBuffer()
    try await read(overview.message.uid, .part(leaf.path, raw: false), markSeen: markSeen) { piece in
      let room = limit - text.readableBytes
      if room > 0 {
        text.writeImmutableBuffer(
          piece.getSlice(at: piece.readerIndex, length: min(room, piece.readableBytes)) ?? piece)
      }
    }
    let charset = leaf.structure.charset ?? "utf-8"
    let decoded = TextDecoding.toUTF8(text.readableBytesSpan, charset: charset).map { String(buffer: $0) }
    let plain = decoded ?? String(buffer: text)
    let lines = plain.split(omittingEmptySubsequences: false) { $0 == "\r\n" || $0 == "\n" || $0 == "\r" }
    return lines.map { line in
      HeaderText.printable(String(line.map { $0 == "\t" ? " " : $0 }))
    }.joined(separator: "\n")
  }

  private func leaf(_ uid: UInt32, _ path: [UInt32]) async throws -> PartTree.Leaf {
    let tree = try await overview(uid).tree
    guard let leaf = tree.leaf(path) else {
      throw BrowseError.noSuchPart(
        uid: uid, part: path.map(String.init).joined(separator: "."), parts: tree.leaves.map(\.number))
    }
    return leaf
  }
}

/// A message without its bodies.
public struct MessageOverview: Sendable {
  public var message: ListedMessage
  public var to: [String]
  public var cc: [String]
  /// Every part: number, type, octets as they travel.
  public var parts: [Part]
  let tree: PartTree

  public struct Part: Codable, Sendable, Hashable {
    public var part: String
    public var type: String
    public var name: String?
    public var encoding: String
    public var octets: Int64
  }

  init(_ fetched: FetchedMessage, _ structure: BodyStructureValue) {
    message = ListedMessage(fetched)
    tree = PartTree(structure)
    to = fetched.envelope?.to.map(Self.person) ?? []
    cc = fetched.envelope?.cc.map(Self.person) ?? []
    parts = tree.leaves.map { leaf in
      Part(
        part: leaf.number, type: "\(leaf.structure.type)/\(leaf.structure.subtype)",
        name: leaf.structure.fileName.map(HeaderText.printable), encoding: leaf.structure.encoding,
        octets: leaf.structure.octets)
    }
  }

  private static func person(_ address: EnvelopeValue.Address) -> String {
    let name = HeaderText.decoded(address.name)
    let text = HeaderText.address(address)
    return name.isEmpty ? text : "\(name) <\(text)>"
  }
}
