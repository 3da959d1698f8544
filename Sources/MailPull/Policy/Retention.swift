import POP3Client

/// Which messages of a drop go, by policy. Only such as are proved to be at home, or are likely to be and will be proved.
enum Retention {
  struct Choice: Sendable {
    /// Places in the drop, in its order, which is that of arrival.
    var places: [Int] = []
    var warnings: [String] = []
  }

  /// - Parameters:
  ///   - quota: for `keepUnder`.
  ///   - protected: entries that must not go to make room: nobody has looked at them, or nobody can tell.
  static func choose(
    _ messages: [DropMessage], policy: PullPolicy, now: Int64, quota: DropQuota?, protected: Set<Int64>
  ) -> Choice {
    var choice = Choice()
    switch policy {
    case .keep: break
    case .delete: choice.places = messages.indices.filter { isAtHome(messages[$0]) }
    case .keepDays(let days):
      choice.places = messages.indices.filter {
        guard isAtHome(messages[$0]), let landed = messages[$0].landedAt else { return false }
        let (age, overflow) = now.subtractingReportingOverflow(landed)
        return !overflow && age >= Int64(clamping: days).multipliedClamping(by: 86_400)
      }
    case .keepUnder(let percent):
      guard let quota else { break }
      let listed = messages.reduce(Int64(0)) { $0.addingClamping($1.listing.octets) }
      let used = max(quota.used ?? 0, listed)
      let allowed =
        (quota.limit / 100).multipliedClamping(by: Int64(percent)) + quota.limit % 100 * Int64(percent) / 100
      var excess = used - allowed
      for place in messages.indices where excess > 0 && isAtHome(messages[place]) {
        guard let entry = messages[place].entry, !protected.contains(entry) else { continue }
        choice.places.append(place)
        excess -= messages[place].listing.octets
      }
      if excess > 0 {
        choice.warnings.append(
          "\(excess) octets over \(percent) % of the quota remain: nothing more may be deleted from here")
      }
    }
    return choice
  }

  private static func isAtHome(_ message: DropMessage) -> Bool {
    switch message.standing {
    case .home, .likely: true
    case .unknown, .doubtful, .failed: false
    }
  }
}

extension Int64 {
  func addingClamping(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }

  func multipliedClamping(by other: Int64) -> Int64 {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}
