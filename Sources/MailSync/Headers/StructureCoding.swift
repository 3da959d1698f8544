import Foundation
import IMAPCore
import NIOCore

/// BODYSTRUCTURE as bytes of the state: JSON with short names.
enum StructureCoding {
  static func encode(_ value: BodyStructureValue) throws -> [UInt8] {
    Array(try JSONEncoder().encode(Stored(value)))
  }

  /// Nil for bytes that an other version wrote.
  static func decode(_ bytes: [UInt8]) -> BodyStructureValue? {
    (try? JSONDecoder().decode(Stored.self, from: Data(bytes)))?.value
  }

  private struct Stored: Codable {
    var t: String
    var s: String
    var p: [String]?
    var i: String?
    var d: String?
    var e: String?
    var o: Int64
    var l: Int64?
    var x: String?
    var q: [String]?
    var g: [String]?
    var u: String?
    var c: [Stored]?
    var v: StoredEnvelope?

    init(_ value: BodyStructureValue) {
      t = value.type
      s = value.subtype
      p = Self.flat(value.pairs)
      i = value.id
      d = value.description
      e = value.encoding.isEmpty ? nil : value.encoding
      o = value.octets
      l = value.lines
      x = value.disposition
      q = Self.flat(value.dispositionPairs)
      g = value.language.isEmpty ? nil : value.language
      u = value.location
      c = value.children.isEmpty ? nil : value.children.map(Stored.init)
      v = value.envelope.map(StoredEnvelope.init)
    }

    var value: BodyStructureValue {
      var value = BodyStructureValue(type: t, subtype: s)
      value.pairs = Self.pairs(p)
      value.id = i
      value.description = d
      value.encoding = e ?? ""
      value.octets = o
      value.lines = l
      value.disposition = x
      value.dispositionPairs = Self.pairs(q)
      value.language = g ?? []
      value.location = u
      value.children = (c ?? []).map(\.value)
      value.envelope = v?.value
      return value
    }

    private static func flat(_ pairs: [BodyStructureValue.Pair]) -> [String]? {
      pairs.isEmpty ? nil : pairs.flatMap { [$0.name, $0.value] }
    }

    private static func pairs(_ flat: [String]?) -> [BodyStructureValue.Pair] {
      guard let flat else { return [] }
      return stride(from: 0, to: flat.count - 1, by: 2).map { .init(name: flat[$0], value: flat[$0 + 1]) }
    }
  }

  private struct StoredEnvelope: Codable {
    /// Date, Subject, In-Reply-To, Message-ID.
    var f: [Data?]
    /// From, Sender, Reply-To, To, Cc, Bcc; four values an address.
    var a: [[Data?]]

    init(_ value: EnvelopeValue) {
      f = [value.date, value.subject, value.inReplyTo, value.messageID].map(Self.data)
      a = [value.from, value.sender, value.replyTo, value.to, value.cc, value.bcc].map { list in
        list.flatMap { [Self.data($0.name), Self.data($0.route), Self.data($0.mailbox), Self.data($0.host)] }
      }
    }

    var value: EnvelopeValue {
      var value = EnvelopeValue()
      guard f.count == 4, a.count == 6 else { return value }
      (value.date, value.subject) = (Self.buffer(f[0]), Self.buffer(f[1]))
      (value.inReplyTo, value.messageID) = (Self.buffer(f[2]), Self.buffer(f[3]))
      let lists = a.map { flat in
        stride(from: 0, to: flat.count - 3, by: 4).map { start in
          EnvelopeValue.Address(
            name: Self.buffer(flat[start]), route: Self.buffer(flat[start + 1]), mailbox: Self.buffer(flat[start + 2]),
            host: Self.buffer(flat[start + 3]))
        }
      }
      (value.from, value.sender, value.replyTo) = (lists[0], lists[1], lists[2])
      (value.to, value.cc, value.bcc) = (lists[3], lists[4], lists[5])
      return value
    }

    private static func data(_ bytes: ByteBuffer?) -> Data? { bytes.map { Data($0.readableBytesView) } }
    private static func buffer(_ data: Data?) -> ByteBuffer? { data.map { ByteBuffer(bytes: $0) } }
  }
}
