import IMAPCore
import MailFormat
import NIOCore

/// A message's parts with the numbers that FETCH takes (RFC 9051 §6.4.5.1).
struct PartTree {
  struct Leaf {
    var path: [UInt32]
    var structure: BodyStructureValue
    var number: String { path.map(String.init).joined(separator: ".") }
  }

  /// In the order of the message. An attached message counts as one part, and its own parts follow it.
  private(set) var leaves: [Leaf] = []

  init(_ root: BodyStructureValue) {
    if root.isMultipart { addChildren(of: root, []) } else { add(root, [1]) }
  }

  private mutating func addChildren(of multipart: BodyStructureValue, _ path: [UInt32]) {
    for (index, child) in multipart.children.enumerated() {
      add(child, path + [UInt32(clamping: index + 1)])
    }
  }

  private mutating func add(_ part: BodyStructureValue, _ path: [UInt32]) {
    if part.isMultipart { return addChildren(of: part, path) }
    leaves.append(Leaf(path: path, structure: part))
    guard part.type == "message", let message = part.children.first else { return }
    if message.isMultipart { addChildren(of: message, path) } else { add(message, path + [1]) }
  }

  func leaf(_ path: [UInt32]) -> Leaf? { leaves.first { $0.path == path } }

  /// What a reader would look at first: the first text part that is no attachment, plain before HTML.
  var text: Leaf? {
    let texts = leaves.filter { $0.structure.type == "text" && $0.structure.disposition != "attachment" }
    return texts.first { $0.structure.subtype == "plain" } ?? texts.first { $0.structure.subtype == "html" }
      ?? texts.first
  }

  /// Everything with a name or marked as attachment, and everything that is neither text nor a container of text.
  var attachments: [ListedMessage.Attachment] {
    let shown = text?.path
    return leaves.compactMap { leaf in
      let part = leaf.structure
      guard leaf.path != shown else { return nil }
      let isAlternative = part.type == "text" && part.disposition != "attachment" && part.fileName == nil
      guard !isAlternative else { return nil }
      return ListedMessage.Attachment(
        part: leaf.number, name: part.fileName.map(HeaderText.printable), type: "\(part.type)/\(part.subtype)",
        octets: part.octets, decodedOctets: part.decodedOctets)
    }
  }
}

extension BodyStructureValue {
  /// From Content-Disposition, else from Content-Type; RFC 2047 words and RFC 2231 values read.
  var fileName: String? {
    for (pairs, name) in [(dispositionPairs, "filename"), (self.pairs, "name")] {
      if let plain = pairs.first(where: { $0.name == name })?.value, !plain.isEmpty {
        return TextDecoding.decodeHeader(plain.utf8Span.span.bytes)
      }
      if let extended = pairs.first(where: { $0.name == name + "*" })?.value {
        return Self.extendedValue(extended)
      }
    }
    return nil
  }

  /// `utf-8''na%C3%AFve.txt` (RFC 2231 §4).
  private static func extendedValue(_ value: String) -> String {
    let fields = value.split(separator: "'", maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3 else { return value }
    var bytes: [UInt8] = []
    var rest = fields[2].utf8.makeIterator()
    while let byte = rest.next() {
      guard byte == UInt8(ascii: "%"), let high = rest.next(), let low = rest.next(),
        let decoded = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
      else {
        bytes.append(byte)
        continue
      }
      bytes.append(decoded)
    }
    let charset = fields[0].isEmpty ? "utf-8" : String(fields[0])
    return TextDecoding.toUTF8(bytes.span.bytes, charset: charset).map { String(buffer: $0) }
      ?? String(decoding: bytes, as: UTF8.self)
  }

  /// Octets once the transfer encoding is undone: base64 carries 57 octets in a line of 78.
  var decodedOctets: Int64 {
    encoding == "base64" ? octets / 78 * 57 + max(0, octets % 78 - 2) / 4 * 3 : octets
  }

  var charset: String? { pairs.first { $0.name == "charset" }?.value }
}
