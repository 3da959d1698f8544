import IMAPCore
import MailNet
import NIOCore

/// What comes untagged: first shown to the running command, then taken note of here.
extension IMAPClient {
  func sort(
    _ response: IMAPResponse, _ take: (IMAPResponse) throws(ClientError) -> Bool
  ) throws(ClientError) {
    switch response {
    case .tagged(let tag, let line):
      guard running.remove(tag) != nil else {
        isBroken = true
        throw failure(.protocolViolation("it answers a command that was not given"))
      }
      if case .capability(let names)? = line.code { self.take(capabilities: names) }
      completions[tag] = line
    case .status(let line):
      try heed(line)
      _ = try take(response)
    case .capability(let names): self.take(capabilities: names)
    case .enabled(let names): enabled.formUnion(names)
    case .continuation, .unknown: break
    default:
      count(response)
      if !(try take(response)) { try notice(response) }
    }
  }

  private func heed(_ line: StatusLine) throws(ClientError) {
    switch line.code {
    case .capability(let names)?: take(capabilities: names)
    case .notificationOverflow?: isNotifying = false
    case .uidNext(let uid)?: selected?.uidNext = uid
    case .highestModSeq(let modSeq)?: selected?.highestModSeq = modSeq
    default: break
    }
    guard line.condition == .bye else { return }
    farewell = line.text
    if isLeaving { return }
    isBroken = true
    throw failure(.disconnected)
  }

  /// Keeps `selected.exists` true, whoever the response is meant for.
  private func count(_ response: IMAPResponse) {
    guard let exists = selected?.exists else { return }
    switch response {
    case .exists(let number): selected?.exists = number
    case .expunge: selected?.exists = max(0, exists - 1)
    case .vanished(earlier: false, let ranges):
      // RFC 7162 §3.2.10: every UID of it was in the mailbox.
      selected?.exists = max(0, exists - ranges.reduce(0) { $0 + $1.count })
    default: break
    }
  }

  func notice(_ response: IMAPResponse) throws(ClientError) {
    switch response {
    case .exists(let number):
      if case .exists? = noticed.last { noticed.removeLast() }
      noticed.append(.exists(number))
    case .expunge(let sequence): noticed.append(.expunged(sequence: sequence))
    case .vanished(_, let ranges): noticed.append(.vanished(ranges))
    case .fetch(let fetch) where fetch.flags != nil: noticed.append(.flags(FetchedMessage(flagsOf: fetch)))
    case .mailboxStatus(let line): noticed.append(.status(mailbox: line.mailbox.name, RemoteStatus(line)))
    default: return
    }
    guard noticed.count <= IMAPClientLimits.events else {
      isBroken = true
      throw failure(.protocolViolation("it sent more than \(IMAPClientLimits.events) changes that nobody asked for"))
    }
  }
}
