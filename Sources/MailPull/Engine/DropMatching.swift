import POP3Client

/// Recognises the messages of a drop by their UIDLs, where these can be believed (RFC 1939 §7: a UIDL is the message's for
/// good, and no other's). They can't
///
/// - where there are none,
/// - where one is there twice, in the drop or in the journal (RFC 1939 allows it to equal messages),
/// - where one is known with another size: then the server numbered anew, and none is believed in this session,
/// - where each is just the message's number: those change when messages go.
///
/// Whatever is not recognised is looked at by content before it counts as new.
enum DropMatching {
  static func match(_ listing: [POP3Listing], _ lines: [JournalLine]) -> Drop {
    var drop = Drop()
    drop.messages.reserveCapacity(listing.count)
    let known = positions(lines)
    let repeated = repeatedUIDLs(listing)
    if let why = disbelief(listing, lines, known, repeated) {
      drop.unexplained = Dictionary(uniqueKeysWithValues: lines.map { ($0.id, $0) })
      drop.messages = listing.map { DropMessage(listing: $0, standing: .unknown) }
      if !why.isEmpty { drop.warnings.append(why) }
      return drop
    }
    drop.isBelieved = true
    var isExplained = [Bool](repeating: false, count: lines.count)
    for message in listing {
      var matched = DropMessage(listing: message, standing: .unknown)
      if let uidl = message.uidl, !repeated.contains(uidl), let place = known[uidl], place >= 0 {
        let line = lines[place]
        matched.standing = standing(of: line)
        matched.landedAt = line.landedAt
        matched.wasDeleteAsked = line.state == .deleteAsked
        isExplained[place] = true
        drop.isSound = true
      }
      drop.messages.append(matched)
    }
    for (place, line) in lines.enumerated() where !isExplained[place] { drop.unexplained[line.id] = line }
    if !repeated.isEmpty {
      drop.warnings.append(
        "\(repeated.count) unique-ids stand for more than one message each; those are compared by content")
    }
    return drop
  }

  static func standing(of line: JournalLine) -> DropMessage.Standing {
    switch line.state {
    case .intended, .doubtful: .doubtful(line.id)
    case .landed, .deleteAsked, .gone: line.isBoundByTop ? .likely(line.id) : .home(line.id)
    }
  }

  /// Where each UIDL stands in `lines`; -1 where it is there twice.
  private static func positions(_ lines: [JournalLine]) -> [String: Int] {
    var result: [String: Int] = [:]
    result.reserveCapacity(lines.count)
    for (position, line) in lines.enumerated() {
      guard let uidl = line.uidl else { continue }
      if result.updateValue(position, forKey: uidl) != nil { result[uidl] = -1 }
    }
    return result
  }

  private static func repeatedUIDLs(_ listing: [POP3Listing]) -> Set<String> {
    var seen = Set<String>(minimumCapacity: listing.count)
    var repeated: Set<String> = []
    for case let uidl? in listing.lazy.map(\.uidl) where !seen.insert(uidl).inserted { repeated.insert(uidl) }
    return repeated
  }

  /// Why no UIDL of this session is believed; nil: they are. Empty: nothing worth telling.
  private static func disbelief(
    _ listing: [POP3Listing], _ lines: [JournalLine], _ known: [String: Int], _ repeated: Set<String>
  ) -> String? {
    if lines.isEmpty || listing.isEmpty { return nil }
    if listing.allSatisfy({ $0.uidl == nil }) { return "" }
    if listing.allSatisfy({ $0.uidl == nil || $0.uidl == String($0.number) }) {
      return "the server's unique-ids are message numbers; messages are compared by content"
    }
    for message in listing {
      guard let uidl = message.uidl, !repeated.contains(uidl), let place = known[uidl], place >= 0 else { continue }
      if lines[place].octets != message.octets {
        return "unique-id \(uidl) stands for another message than before: messages are compared by content"
      }
    }
    return nil
  }
}
