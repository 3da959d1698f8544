import Bytes
public import MailNet
import NIOCore
import POP3Core

extension POP3Client {
  /// LIST and UIDL in one go, in the order of LIST. A number that comes twice is one message; one that only UIDL knows
  /// is there too, without a size.
  public func listing() async throws(ClientError) -> [POP3Listing] {
    try checkReady()
    defer { ahead = .nothing }
    switch ahead {
    case .read(let result): return try result.get()
    case .sent: return try await readListing()
    case .nothing:
      try await send(capabilities.pipelining ? "LIST\r\nUIDL\r\n" : "LIST\r\n")
      return try await readListing(asksUIDL: !capabilities.pipelining)
    }
  }

  /// - Parameter asksUIDL: it has not been sent yet.
  func readListing(asksUIDL: Bool = false) async throws(ClientError) -> [POP3Listing] {
    let list = try await status("LIST")
    let scans =
      list.isOK
      ? POP3ListingLine.scans(
        try await lines("LIST", limit: POP3ClientLimits.listing), limit: POP3ClientLimits.messages + 1) : []
    if asksUIDL { try await send("UIDL\r\n") }
    let uidl = try await status("UIDL")
    let ids =
      uidl.isOK
      ? POP3ListingLine.uniqueIDs(
        try await lines("UIDL", limit: POP3ClientLimits.listing), limit: POP3ClientLimits.messages + 1) : nil
    guard max(scans.count, ids?.count ?? 0) <= POP3ClientLimits.messages else {
      throw failure(.protocolViolation("a listing of more than \(POP3ClientLimits.messages) messages"))
    }
    if !list.isOK {
      // Some answer an empty maildrop so.
      try await send("STAT\r\n")
      let stat = try await status("STAT")
      guard stat.isOK, POP3ListingLine.dropListing(stat.text)?.messages == 0 else { throw refusal(list, "LIST") }
      return []
    }
    // Without ids everything would look new: a server that has UIDL and just can't answer must not be taken for one
    // without.
    if ids == nil, !scans.isEmpty, capabilities.uidl { throw refusal(uidl, "UIDL") }
    return Self.merge(scans, ids)
  }

  static func merge(
    _ scans: [(number: Int, octets: Int64)], _ ids: [(number: Int, id: String)]?
  ) -> [POP3Listing] {
    var result: [POP3Listing] = []
    result.reserveCapacity(scans.count)
    // Nearly always both come in ascending order and with the same numbers.
    if let ids, ids.count == scans.count {
      var last = 0
      for index in scans.indices {
        let (number, octets) = scans[index]
        guard number > last, ids[index].number == number else { break }
        last = number
        result.append(POP3Listing(number: number, octets: octets, uidl: ids[index].id))
      }
      if result.count == scans.count { return result }
      result.removeAll(keepingCapacity: true)
    }
    var byNumber: [Int: String] = [:]
    for (number, id) in ids ?? [] where byNumber[number] == nil { byNumber[number] = id }
    var seen: Set<Int> = []
    for (number, octets) in scans where seen.insert(number).inserted {
      result.append(POP3Listing(number: number, octets: octets, uidl: byNumber[number]))
    }
    for (number, id) in ids ?? [] where seen.insert(number).inserted {
      result.append(POP3Listing(number: number, octets: 0, uidl: id))
    }
    return result
  }
}
