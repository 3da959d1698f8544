import IMAPCore
import MailNet
import MailStore
import NIOCore

/// CATENATE (RFC 4469): a message is put together from octets that come and from what URLs name.
extension IMAPSession {
  /// The parts of the message just announced, up to the end of their list.
  func catenate(_ intake: inout AppendIntake, _ job: inout AppendJob) async throws(CommandError) {
    while true {
      switch try await nextAppendEvent() {
      case .appendURL(let url): try await copy(url, &intake, &job)
      case .appendText(let literal):
        try await admit(literal, &job)
        try await receiveOctets(&intake)
      case .appendCatenated: return
      default: throw .bad("Unexpected data in CATENATE")
      }
    }
  }

  /// Octets go from the store to the store a piece at a time, unchanged (RFC 4469 §3), and no flag is set.
  private func copy(_ url: ByteBuffer, _ intake: inout AppendIntake, _ job: inout AppendJob) async throws(CommandError)
  {
    guard let section = try await source(url, &job) else {
      // RFC 4469 §4.1: the first URL that fails is named.
      throw .no(.other("BADURL \(IMAPURL.responseText(url))"), "The URL names no part of a message here")
    }
    // What is known beforehand is asked beforehand.
    if let size = section.knownSize { try await admit(octets: Int64(size), &job) }
    var pieces = section.pieces()
    while let bytes = try await storeCall({ _ throws(StoreError) in try await pieces.next() }) {
      guard !isOver else { throw .connectionClosed }
      if section.knownSize == nil { try await admit(octets: Int64(bytes.readableBytes), &job) }
      try await take(bytes, &intake)
    }
  }

  /// What a URL names in this account; nil: nothing.
  private func source(_ url: ByteBuffer, _ job: inout AppendJob) async throws(CommandError) -> SectionSource? {
    // RFC 4469 §3: only relative URLs, of this server and this user.
    guard let parsed = IMAPURL.parse(url, limits: settings.wire), parsed.server == nil,
      let name = parsed.mailbox?.string,
      let message = parsed.message, message.authorization == nil
    else { return nil }
    let mailbox: any OpenMailbox
    if let known = job.mailboxes[name] {
      mailbox = known
    } else {
      guard job.mailboxes.count < settings.catenatedMailboxes else {
        throw .no(.limit, "At most \(settings.catenatedMailboxes) mailboxes can be read from at once")
      }
      guard let found = try await readable(MailboxName(name)) else { return nil }
      mailbox = try await storeCall { store throws(StoreError) in
        try await store.openMailbox(found.info.name, of: found.account, onChange: {})
      }
      job.mailboxes[name] = mailbox
    }
    // What is expunged is not there, though its bytes may be.
    guard parsed.uidValidity ?? mailbox.info.uidValidity == mailbox.info.uidValidity,
      mailbox.current?.index(of: message.uid) != nil
    else { return nil }
    let reader = try await storeCall { store throws(StoreError) in
      try await store.openMessage(message.uid, in: mailbox.ref)
    }
    guard let reader else { return nil }
    return SectionSource(reader, message.section ?? BodySection(), message.partial)
  }
}
