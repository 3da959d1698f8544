import IMAPCore
import LocalMail

extension SyncPass {
  /// Messages without Message-ID and EMAILID can be told apart by their bytes only. Where such a message vanished from one
  /// mailbox and one of the same size and date is new in another, the new one is fetched and its fingerprint taken: it may
  /// have been moved.
  func identify(_ found: [MailboxSurvey]) async throws -> [MailboxSurvey] {
    struct Key: Hashable {
      var size: Int64
      var seconds: Int64?
    }
    struct Place: Sendable {
      var survey: Int
      var row: Int
    }
    func key(_ row: KnownMessage) -> Key? {
      row.messageID == nil && row.emailID == nil ? Key(size: row.size, seconds: row.date?.seconds) : nil
    }
    var vanished: Set<Key> = []
    for survey in found {
      for row in survey.rows where row.isGone && row.base != nil && row.fingerprint != nil {
        if let key = key(row) { vanished.insert(key) }
      }
    }
    if vanished.isEmpty { return found }
    var places: [Place] = []
    for (index, survey) in found.enumerated() {
      for (row, message) in survey.rows.enumerated() where message.isUnpaired && message.fingerprint == nil {
        if let key = key(message), vanished.contains(key), message.size <= SyncLimits.wrongSizeBody {
          places.append(Place(survey: index, row: row))
        }
      }
    }
    let results = try await each(places, connections: 1) { worker, place in
      let survey = found[place.survey]
      return try await worker.guarding {
        try await worker.fingerprint(of: survey.rows[place.row].uid, in: survey.mailbox)
      }
    }
    var surveys = found
    for (place, result) in zip(places, results) {
      // What could not be read is no move, but a new message.
      guard case .success(let fingerprint?) = result else { continue }
      surveys[place.survey].rows[place.row].fingerprint = fingerprint
      surveys[place.survey].dirty.insert(place.row)
    }
    return surveys
  }
}
