/// Chooses a way. The rules, first match wins:
///
/// | situation | choice |
/// |---|---|
/// | no mail | IMAP sync: every way stays open |
/// | under 50 MiB, no pressure | IMAP sync: it does not matter much |
/// | quota tight or over | the POP3 way that leaves most readable elsewhere and still relieves (30 days, 7 days, delete); who reads nowhere else: delete |
/// | the same, POP3 frees too little or is not offered | IMAP mirror, and delete on the server by hand |
/// | quota fills within two years, nobody reads elsewhere | POP3, 30 days kept |
/// | room enough | IMAP sync; headers or online where this disk is too small |
/// | no IMAP | POP3, 30 days kept |
///
/// IMAP sync, headers and online stand in for each other where the disk here is short; "tight" and "relieves" are defined
/// in `Pressure`.
struct Adviser {
  /// Mailboxes smaller than this go through any line and onto any disk.
  static let smallOctets: Int64 = 50 << 20
  /// A way that frees less of what is used is no remedy.
  static let worthwhileShare = 0.1

  enum Situation: Sendable, Hashable {
    case empty, small
    /// POP3 solves it, or helps for a while.
    case relief, partialRelief
    /// POP3 would free too little: the mail lies elsewhere than in the INBOX.
    case otherMailboxes
    case pressureWithoutPOP3
    /// The server is full, and this disk can't take what would free it.
    case noRoomHere
    case roomy, littleDisk, onlyPOP3
  }

  let measured: Measurement
  let wishes: Wishes
  let model: CostModel
  let costs: [Way: WayCosts]
  let pressure: Pressure

  init(_ measured: Measurement, _ wishes: Wishes, _ model: CostModel, _ costs: [WayCosts]) {
    self.measured = measured
    self.wishes = wishes
    self.model = model
    self.costs = Dictionary(costs.map { ($0.way, $0) }, uniquingKeysWith: { first, _ in first })
    self.pressure = Pressure(measured, model.mail, model.curve(.imapSync))
  }

  func recommend() -> Recommendation {
    let (way, situation) = choose()
    return Recommendation(
      way: way, reason: reason(way, situation), matters: situation != .empty && situation != .small,
      alternatives: alternatives(to: way), cautions: cautions(way))
  }

  // MARK: Rules

  func choose() -> (Way, Situation) {
    let elsewhere = wishes.elsewhere
    if measured.messages == 0 { return (comfortable, .empty) }
    if measured.octets < Self.smallOctets, pressure.level == .none { return (comfortable, .small) }
    if pressure.level >= .tight { return underPressure(elsewhere) }
    if !isPossible(.imapSync) { return (comfortable, .onlyPOP3) }
    if pressure.level == .coming, elsewhere == .notNeeded,
      let way = [.pop3Keep30, .pop3Keep7, .pop3Delete].first(where: relieves)
    {
      return (way, .relief)
    }
    return (comfortable, fits(.imapSync) ? .roomy : .littleDisk)
  }

  private func underPressure(_ elsewhere: Wishes.Elsewhere) -> (Way, Situation) {
    let order: [Way] =
      elsewhere == .notNeeded ? [.pop3Delete, .pop3Keep7, .pop3Keep30] : [.pop3Keep30, .pop3Keep7, .pop3Delete]
    if let way = order.first(where: relieves) { return (way, .relief) }
    let offered = order.filter(isPossible)
    let helping = offered.filter { freedShare($0) >= Self.worthwhileShare }
    let best = helping.filter(fits).max { (costs[$0]?.freedOctets ?? 0) < (costs[$1]?.freedOctets ?? 0) }
    if let best { return (best, .partialRelief) }
    if !isPossible(.imapMirror) { return (comfortable, .onlyPOP3) }
    if !helping.isEmpty || !fits(.imapMirror) { return (comfortable, .noRoomHere) }
    return (.imapMirror, offered.isEmpty ? .pressureWithoutPOP3 : .otherMailboxes)
  }

  /// What is best while nothing presses: most copies, most reach.
  private var comfortable: Way {
    let imap: [Way] = [.imapSync, .imapHeaders, .imapOnline]
    let pop3: [Way] = [.pop3Keep30, .pop3Keep7, .pop3Delete]
    return imap.first { isPossible($0) && fits($0) } ?? pop3.first(where: isPossible) ?? .imapOnline
  }

  func isPossible(_ way: Way) -> Bool { costs[way]?.isPossible ?? false }

  func fits(_ way: Way) -> Bool {
    guard let room = wishes.localDiskOctets else { return true }
    return (costs[way]?.localOctetsAfter12Months ?? 0) <= room
  }

  func freedShare(_ way: Way) -> Double {
    let used = model.mail.usedOctets
    return used > 0 ? Double(costs[way]?.freedOctets ?? 0) / used : 0
  }

  func fillAfter(_ way: Way) -> Double? {
    model.mail.quotaOctets.map { model.curve(way).start / $0 }
  }

  func daysAfter(_ way: Way) -> Double? { model.mail.quotaOctets.flatMap { model.curve(way).firstDay(at: $0) } }

  func relieves(_ way: Way) -> Bool {
    guard isPossible(way), fits(way), freedShare(way) >= Self.worthwhileShare else { return false }
    return (fillAfter(way) ?? 0) <= Pressure.relievedFill && (daysAfter(way) ?? .infinity) >= Pressure.relievedDays
  }
}
