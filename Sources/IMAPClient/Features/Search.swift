public import IMAPCore
public import MailNet

extension IMAPClient {
  /// UID SEARCH; ESEARCH where offered. UIDs ascend. `uid` and `returns` of the command are chosen here.
  public func search(_ command: SearchCommand) async throws(ClientError) -> [UInt32] {
    var command = command
    command.uid = true
    command.returns = has("ESEARCH") ? .all : nil
    // RFC 6855 §3: everything is UTF-8 then, and CHARSET MUST NOT be sent.
    if options.utf8 { command.charset = nil }
    var found: [UInt32] = []
    let sent = try await begin(.search(command))
    _ = try await finished(sent) { (response) throws(ClientError) in
      switch response {
      case .search(let line):
        // RFC 3501 §7.2.5 allows several lines.
        found += line.numbers
      case .esearch(let line) where line.tag == nil || line.tag == sent.tag:
        for range in line.all ?? [] {
          guard found.count + range.count <= IMAPClientLimits.found else {
            self.isBroken = true
            throw self.failure(.protocolViolation("SEARCH finds more than \(IMAPClientLimits.found) messages"))
          }
          found += range
        }
      default: return false
      }
      return true
    }
    return found.sorted()
  }
}
