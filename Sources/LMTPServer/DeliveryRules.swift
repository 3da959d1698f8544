import LMTPCore
import MailStore
import NIOCore

/// Who gets mail, and what is said when it cannot be taken: the same for LMTP and for `deliver`.
struct DeliveryRules: Sendable {
  let store: any MailStore
  let settings: LMTPServerSettings

  struct Recipient: Sendable {
    var path: LMTPPath
    var account: Account
    /// The `+folder` of the address.
    var folder: String?
  }

  /// Why a recipient is refused, or a delivery failed.
  enum Refusal: Error, Sendable, Hashable {
    case noSuchUser
    case full
    case tooBig(limit: Int)
    /// The disk is full, not the account.
    case noRoom
    /// Binary content that cannot be kept otherwise.
    case cannotConvert
    /// Ours; the story went to the log.
    case trouble
  }

  /// The account of an address: `user@domain` as it stands, then without its `+folder`; then the same with the local part
  /// alone, for accounts that bear no domain.
  func recipient(_ path: LMTPPath) async throws(StoreError) -> Recipient? {
    let parted = SubAddress.split(path.localPart, separators: settings.recipientDelimiter)
    var candidates: [(name: String, folder: String?)] = []
    if let domain = path.domain {
      candidates.append(("\(path.localPart)@\(domain)", nil))
      if parted.detail != nil { candidates.append(("\(parted.user)@\(domain)", parted.detail)) }
    }
    candidates.append((path.localPart, nil))
    if parted.detail != nil { candidates.append((parted.user, parted.detail)) }
    // RFC 5321 §4.5.1: mail for postmaster is taken, whatever its case.
    if path.isPostmaster, let postmaster = settings.postmaster { candidates.append((postmaster, nil)) }
    for candidate in candidates {
      if let account = try await store.account(named: candidate.name) {
        return Recipient(path: path, account: account, folder: candidate.folder)
      }
    }
    return nil
  }

  /// What stands against taking a message of this size for the recipient; nil for nothing. An account whose login is
  /// disabled goes on receiving: bounced mail is lost, a login can be enabled again.
  func objection(to recipient: Recipient, size: Int) async throws(StoreError) -> Refusal? {
    do throws(StoreError) {
      try await store.checkQuota(of: recipient.account.id, adding: max(1, size))
    } catch {
      if error.isNoRoom { return .noRoom }
      guard case .overQuota = error else { throw error }
      return .full
    }
    return nil
  }

  /// How a failure of the store is told.
  static func refusal(_ error: StoreError) -> Refusal {
    switch error {
    case .noSuchAccount: .noSuchUser
    case .overQuota: .full
    case .messageTooLarge(let limit): .tooBig(limit: limit)
    case .io where error.isNoRoom: .noRoom
    default: .trouble
    }
  }

  func reply(_ refusal: Refusal, to recipient: LMTPPath) -> LMTPReply {
    switch refusal {
    case .noSuchUser: .noSuchUser(recipient)
    case .full: .mailboxFull(recipient, isPermanent: !settings.quotaFullIsTemporary)
    case .tooBig(let limit): .tooBig(limit: Int64(limit))
    case .noRoom: .noRoom
    case .cannotConvert: .cannotConvert
    case .trouble: .temporaryFailure(recipient)
    }
  }

  /// Delivers to all, each address once however often it was named; results in the order of `recipients`. Throws when the
  /// message could not be prepared.
  func deliver(
    finishing message: any IncomingMessage, sender: LMTPPath?, to recipients: [Recipient], trace: TraceHeaders
  ) async throws(StoreError) -> [Result<Delivered, StoreError>] {
    struct Key: Hashable {
      var account: AccountID
      var path: LMTPPath
    }
    var places: [Key: Int] = [:]
    var targets: [DeliveryTarget] = []
    let order = recipients.map { recipient in
      let key = Key(account: recipient.account.id, path: recipient.path)
      if let place = places[key] { return place }
      places[key] = targets.count
      let lines = settings.addsTraceHeaders ? trace.lines(sender: sender, recipient: recipient.path) : .init()
      targets.append(DeliveryTarget(account: recipient.account.id, folder: recipient.folder, trace: lines))
      return targets.count - 1
    }
    let results = try await store.deliver(finishing: message, to: targets, date: InternalDate(seconds: trace.date))
    return order.map { place in
      place < results.count ? results[place] : .failure(.corrupt(what: "a delivery without a result"))
    }
  }
}
