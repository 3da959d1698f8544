import IMAPClient
import IMAPCore
import MailClient
import MailNet
import NIOCore
import POP3Client

@testable import MailAdvice

/// Writes down every command it is given, as it would stand on the wire.
final class RecordingIMAP: IMAPReading {
  struct Box {
    var attributes: Set<String> = []
    var messages: [FetchedMessage] = []
    var bodies: [UInt32: Int] = [:]
  }
  var capabilities: Set<String> = ["IMAP4REV1", "QUOTA"]
  var boxes: [(name: String, box: Box)] = []
  var uidNext: UInt32?
  private(set) var commands: [String] = []
  private var selected: Box?

  func list() async throws -> [RemoteMailbox] {
    commands.append("LIST STATUS")
    return boxes.map { name, box in
      var status = RemoteStatus()
      status.messages = box.messages.count
      status.unseen = 1
      return RemoteMailbox(name: name, delimiter: "/", attributes: box.attributes, status: status)
    }
  }

  func examine(_ mailbox: String) async throws -> SelectedMailbox {
    commands.append("EXAMINE \(mailbox)")
    selected = boxes.first { $0.name == mailbox }?.box
    return SelectedMailbox(
      name: mailbox, exists: selected?.messages.count ?? 0, uidValidity: 1, uidNext: uidNext, highestModSeq: nil,
      isReadOnly: true, permanentFlags: FlagList(), acceptsNewKeywords: false)
  }

  func quota(_ mailbox: String) async throws -> [RemoteQuota] {
    commands.append("GETQUOTAROOT \(mailbox)")
    return [
      RemoteQuota(root: "r", resource: "STORAGE", usage: 1000, limit: 4000),
      RemoteQuota(root: "r", resource: "MESSAGE", usage: 3, limit: 10),
    ]
  }

  func fetch(_ uids: MessageSet, _ items: [IMAPReadItem], _ take: (IMAPReadEvent) -> Void) async throws {
    let names = items.map { item in
      switch item.fetchItem {
      case .size: "RFC822.SIZE"
      case .internalDate: "INTERNALDATE"
      case .bodyStructure: "BODYSTRUCTURE"
      case .bodySection(let section, let partial, let peek):
        "BODY\(peek ? ".PEEK" : "")\(section == BodySection() ? "[]" : "[?]")<\(partial?.offset ?? -1).\(partial?.count ?? -1)>"
      default: "\(item)"
      }
    }
    commands.append("UID FETCH \(names.joined(separator: " "))")
    for message in selected?.messages ?? []
    where uids.elements.contains(where: { element in
      message.uid >= element.first && (element.last == MessageSet.star || message.uid <= element.last)
    }) {
      for item in items {
        guard case .peek(let offset, let count) = item else { continue }
        take(.octets(min(Int(count), max(0, (selected?.bodies[message.uid] ?? 0) - Int(offset)))))
      }
      take(.message(message))
    }
  }

  func noop() async throws { commands.append("NOOP") }
  func logOut() async { commands.append("LOGOUT") }
}

final class RecordingPOP3: POP3Reading {
  var capabilities = POP3Capabilities()
  var sizes: [Int64] = []
  /// The header of a message, by number.
  var header: (Int) -> String = { _ in "Subject: x\r\n\r\n" }
  private(set) var commands: [String] = []

  func stat() async throws -> (messages: Int, octets: Int64) {
    commands.append("STAT")
    return (sizes.count, sizes.total)
  }

  func listing() async throws -> [POP3Listing] {
    commands += ["LIST", "UIDL"]
    return sizes.enumerated().map { POP3Listing(number: $0 + 1, octets: $1, uidl: "u\($0)") }
  }

  func top(_ messages: [POP3Listing], lines: Int, _ take: (POP3Retrieval) -> Void) async throws {
    for message in messages {
      commands.append("TOP \(message.number) \(lines)")
      var bytes = ByteBuffer(string: header(message.number))
      let body = min(lines * 78, max(0, Int(message.octets) - bytes.readableBytes))
      if body > 0 {
        // As a large one would come.
        take(.begin(number: message.number))
        take(.piece(bytes))
        bytes = ByteBuffer(repeating: UInt8(ascii: "x"), count: body)
        take(.piece(bytes))
        take(.end(number: message.number))
      } else {
        take(.whole(number: message.number, bytes))
      }
    }
  }

  func noop() async throws { commands.append("NOOP") }
  func quit() async { commands.append("QUIT") }
}
