import LocalMail

/// Recognises messages that went from one place to another, so that nothing is transferred and nothing deleted.
///
/// Locally: a file that is gone from A and is in B with the same base, or with other name and the same fingerprint.
/// On the server: a UID that is gone from A and a new one in B with the same EMAILID (RFC 8474), or with the same size,
/// INTERNALDATE and Message-ID (without one: the same bytes, see `SyncPass.identify`). Where both sides moved a message to different places, the server is right.
struct MoveMatcher {
  /// The server moved it: the file follows.
  struct LocalRename: Sendable {
    var from: Int
    var message: LocalMessage
    var to: Int
    /// In `to`: the message with its new UID.
    var row: Int
    /// In `source`: the message with its old UID.
    var source: Int
    var sourceRow: Int
  }
  /// The owner moved it here: the server follows.
  struct RemoteMove: Sendable {
    var from: Int
    var row: Int
    var to: Int
    var base: String
  }
  private struct Place: Hashable {
    var survey: Int
    var row: Int
  }

  var surveys: [MailboxSurvey]
  let mode: SyncMode
  let canMoveRemotely: Bool
  private(set) var renames: [LocalRename] = []
  private(set) var moves: [RemoteMove] = []

  init(_ surveys: [MailboxSurvey], mode: SyncMode, canMoveRemotely: Bool) {
    self.surveys = surveys
    self.mode = mode
    self.canMoveRemotely = canMoveRemotely
  }

  mutating func run() {
    settleLanding()
    for index in surveys.indices { surveys[index].adopt() }
    let files = findFiles()
    let targets = findTargets(files)
    for (place, file) in files.sorted(by: { ($0.key.survey, $0.key.row) < ($1.key.survey, $1.key.row) }) {
      let row = surveys[place.survey].rows[place.row]
      if !row.isGone {
        followRemotely(place, to: file)
      } else if targets[place] == nil {
        // Moved here, deleted there: kept as a new message of its new folder.
        surveys[place.survey].report.kept += 1
        surveys[place.survey].drop(place.row)
      }
    }
    for (place, target) in targets.sorted(by: { ($0.key.survey, $0.key.row) < ($1.key.survey, $1.key.row) }) {
      followLocally(place, file: files[place], to: target)
    }
  }

  /// Files that were journalled before they got their names: here or not.
  private mutating func settleLanding() {
    var bases: Set<String> = []
    for survey in surveys { bases.formUnion(survey.newLocal) }
    for index in surveys.indices {
      for row in surveys[index].rows.indices where !surveys[index].rows[row].isLanded {
        guard let base = surveys[index].rows[row].base else { continue }
        surveys[index].rows[row].isLanded = true
        surveys[index].dirty.insert(row)
        if surveys[index].local[base] == nil, !bases.contains(base) {
          surveys[index].rows[row].base = nil
          surveys[index].rows[row].agreed = nil
        } else {
          surveys[index].report.adopted += 1
        }
      }
    }
  }

  /// Where the files of messages are that are not where they were.
  private mutating func findFiles() -> [Place: (survey: Int, base: String)] {
    var byBase: [String: [Int]] = [:]
    var byFingerprint: [Fingerprint: [(survey: Int, base: String)]] = [:]
    for (index, survey) in surveys.enumerated() {
      for base in survey.newLocal.sorted() {
        byBase[base, default: []].append(index)
        if let facts = survey.facts[base] { byFingerprint[facts.fingerprint, default: []].append((index, base)) }
      }
    }
    var missing: [Place] = []
    for (index, survey) in surveys.enumerated() {
      for (row, message) in survey.rows.enumerated() where !survey.dropped.contains(row) {
        if let base = message.base, survey.local[base] == nil { missing.append(Place(survey: index, row: row)) }
      }
    }
    var result: [Place: (survey: Int, base: String)] = [:]
    var taken: Set<String> = []
    func key(_ survey: Int, _ base: String) -> String { "\(survey) \(base)" }
    for place in missing {
      let message = surveys[place.survey].rows[place.row]
      guard let base = message.base else { continue }
      let found = byBase[base]?.first { survey in
        guard !taken.contains(key(survey, base)) else { return false }
        guard let known = message.fingerprint, let facts = surveys[survey].facts[base] else { return true }
        return known == facts.fingerprint
      }
      if let found {
        taken.insert(key(found, base))
        result[place] = (found, base)
      }
    }
    for place in missing where result[place] == nil {
      guard let fingerprint = surveys[place.survey].rows[place.row].fingerprint,
        let found = byFingerprint[fingerprint]?.first(where: { !taken.contains(key($0.survey, $0.base)) })
      else { continue }
      taken.insert(key(found.survey, found.base))
      if found.survey == place.survey {
        // Only its name is new.
        let row = surveys[place.survey].rows[place.row]
        surveys[place.survey].pair(place.row, with: found.base, agreed: row.agreed, fingerprint: fingerprint)
      } else {
        result[place] = found
      }
    }
    return result
  }

  /// New messages of the server that are vanished ones.
  private func findTargets(_ files: [Place: (survey: Int, base: String)]) -> [Place: Place] {
    var byEmailID: [String: [Place]] = [:]
    var byKey: [ContentKey: [Place]] = [:]
    var byFingerprint: [Fingerprint: [Place]] = [:]
    for (index, survey) in surveys.enumerated() {
      for (row, message) in survey.rows.enumerated() where message.isUnpaired && !survey.dropped.contains(row) {
        if let id = message.emailID { byEmailID[id, default: []].append(Place(survey: index, row: row)) }
        if let key = message.contentKey, key.seconds != nil {
          byKey[key, default: []].append(Place(survey: index, row: row))
        }
        if let fingerprint = message.fingerprint {
          byFingerprint[fingerprint, default: []].append(Place(survey: index, row: row))
        }
      }
    }
    var result: [Place: Place] = [:]
    var taken: Set<Place> = []
    for (index, survey) in surveys.enumerated() {
      for (row, message) in survey.rows.enumerated() where message.isGone && !survey.dropped.contains(row) {
        let place = Place(survey: index, row: row)
        guard let base = message.base, survey.local[base] != nil || files[place] != nil else { continue }
        let candidates =
          message.emailID.flatMap { byEmailID[$0] } ?? message.contentKey.flatMap { byKey[$0] }
          ?? message.fingerprint.flatMap { byFingerprint[$0] } ?? []
        if let target = candidates.first(where: { !taken.contains($0) }) {
          taken.insert(target)
          result[place] = target
        }
      }
    }
    return result
  }

  private mutating func followRemotely(_ place: Place, to file: (survey: Int, base: String)) {
    let target = surveys[file.survey]
    let source = surveys[place.survey]
    guard mode == .sync, canMoveRemotely, !source.isReadOnly, !target.isReadOnly, source.presence != .remoteGone,
      target.presence != .remoteGone
    else { return }
    moves.append(RemoteMove(from: place.survey, row: place.row, to: file.survey, base: file.base))
  }

  private mutating func followLocally(_ place: Place, file: (survey: Int, base: String)?, to target: Place) {
    let row = surveys[place.survey].rows[place.row]
    guard let base = file?.base ?? row.base else { return }
    let from = file?.survey ?? place.survey
    guard let message = surveys[from].local[base], surveys[target.survey].presence != .localGone else { return }
    if from == target.survey {
      surveys[place.survey].drop(place.row)
      surveys[target.survey].pair(target.row, with: base, agreed: row.agreed, fingerprint: row.fingerprint)
      surveys[target.survey].rows[target.row].withheld = row.withheld
      surveys[target.survey].report.adopted += 1
    } else {
      renames.append(
        LocalRename(
          from: from, message: message, to: target.survey, row: target.row, source: place.survey, sourceRow: place.row))
    }
  }
}

extension MailboxSurvey {
  /// Pairs what is new on both sides and the same: after a lost answer or a lost state. Where only the bytes could tell, the
  /// message is fetched and compared when it lands.
  mutating func adopt() {
    if newLocal.isEmpty || facts.isEmpty { return }
    var files: [ContentKey: [String]] = [:]
    for base in newLocal.sorted() {
      if let key = facts[base]?.contentKey { files[key, default: []].append(base) }
    }
    var unpaired: [ContentKey: [Int]] = [:]
    for (index, row) in rows.enumerated() where row.isUnpaired && !dropped.contains(index) {
      if let key = row.contentKey, key.seconds != nil { unpaired[key, default: []].append(index) }
    }
    for (key, indexes) in unpaired {
      guard let bases = files[key] else { continue }
      let isSame = Set(bases.compactMap { facts[$0]?.fingerprint }).count == 1
      guard isSame, indexes.count == 1 || bases.count == indexes.count else { continue }
      for (index, base) in zip(indexes, bases) {
        pair(index, with: base, agreed: nil, fingerprint: facts[base]?.fingerprint)
        report.adopted += 1
      }
    }
  }
}
