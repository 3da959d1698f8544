import Bytes
import IMAPCore
import MailAuth
import MailNet
import MailStore
import NIOCore

/// URLAUTH (RFC 4467): URLs with which others may read one message, or a part of it.
extension IMAPSession {
  /// The setting, and this connection. RFC 4467 §10: where it is not offered, URLMECH is not sent.
  var offersURLAuth: Bool {
    switch settings.urlAuth {
    case .always: true
    case .tls: connection.isTLS
    case .never: false
    }
  }

  private func checkOffersURLAuth() throws(CommandError) {
    guard offersURLAuth else { throw .bad("Unknown command") }
  }

  /// RESETKEY
  func resetKey(_ command: ResetKeyCommand) async throws(CommandError) -> Completion {
    try checkOffersURLAuth()
    let account = try accountID()
    guard let name = command.mailbox?.string else {
      try await storeCall { store throws(StoreError) in try await store.removeAccessKeys(of: account) }
      listener.keyWatchers.tell(account: account, mailbox: nil, but: self)
      return .ok("All keys removed")
    }
    guard command.mechanisms.allSatisfy({ $0 == "INTERNAL" }) else {
      throw .no(.cannot, "The only mechanism is INTERNAL")
    }
    let found = try await find(MailboxName(name), [])
    // Only its owner may give a mailbox away.
    guard found.isOwn else { throw Self.refusal(found.rights, MailboxName(name)) }
    let (info, ref) = (found.info, found.ref)
    _ = try await storeCall { store throws(StoreError) in
      try await store.accessKey(.replace(AccessToken.newKey()), of: ref)
    }
    listener.keyWatchers.tell(account: account, mailbox: info.id, but: self)
    return .ok("RESETKEY completed", code: Self.mechanisms)
  }

  /// BASE.7.1.URLMECH
  static let mechanisms = ResponseCode.other("URLMECH INTERNAL")

  /// GENURLAUTH
  func genURLAuth(_ command: GenURLAuthCommand) async throws(CommandError) -> Completion {
    try checkOffersURLAuth()
    var made: [ByteBuffer] = []
    for wish in command.wishes {
      guard wish.mechanism == "INTERNAL" else { throw .bad("The only mechanism is INTERNAL") }
      let key = try await keyToSign(wish.url)
      var url = wish.url
      url.writeString(":internal:" + AccessToken.make(of: wish.url, key: key))
      made.append(url)
    }
    connection.out.writeStaticString("* GENURLAUTH")
    for url in made {
      connection.out.writeStaticString(" ")
      connection.out.writeIMAPString(url.readableBytesSpan, wire)
    }
    connection.out.writeStaticString("\r\n")
    return .ok("GENURLAUTH completed")
  }

  /// The key for a URL of this account. RFC 4467 §7: whatever else it names is BAD.
  private func keyToSign(_ url: ByteBuffer) async throws(CommandError) -> [UInt8] {
    guard let parsed = IMAPURL.parse(url, limits: settings.wire), let server = parsed.server, let name = parsed.mailbox,
      let message = parsed.message
    else { throw .bad("Not an absolute URL of a message") }
    guard let authorization = message.authorization else { throw .bad("Missing access identifier in the URL") }
    guard authorization.proof == nil else { throw .bad("The URL is authorized already") }
    guard let user = server.user else { throw .bad("Missing owner in the URL") }
    // Only its owner may give a mailbox away; who else there is, is not told.
    guard let account, user.equalsIgnoringASCIICase(account.name) else { throw .bad("The URL is of another owner") }
    let id = account.id
    let info = try await storeCall { store throws(StoreError) in try await store.mailbox(named: name.string, of: id) }
    guard let info, info.isSelectable, parsed.uidValidity ?? info.uidValidity == info.uidValidity else {
      throw .bad("No such mailbox")
    }
    let ref = MailboxRef(account: id, mailbox: info.id)
    let key = try await storeCall { store throws(StoreError) in
      try await store.accessKey(.orElse(AccessToken.newKey()), of: ref)
    }
    guard let key else { throw .store(.mailboxGone) }
    return key
  }

  // MARK: URLFETCH

  func urlFetch(_ command: URLFetchCommand) async throws(CommandError) -> Completion {
    try checkOffersURLAuth()
    connection.out.writeStaticString("* URLFETCH")
    for url in command.urls {
      connection.out.writeStaticString(" ")
      connection.out.writeIMAPString(url.readableBytesSpan, wire)
      connection.out.writeStaticString(" ")
      let found: Found
      do throws(CommandError) {
        found = try await fetched(url)
      } catch {
        guard !isOver, case .store = error else { throw error }
        // The line has begun: what cannot be read is NIL, and in the log.
        _ = completion(for: error, of: .urlFetch)
        found = .nothing
      }
      switch found {
      case .nothing: connection.out.writeStaticString("NIL")
      // BASE.7.4.URLFETCH: a good URL of no such part is empty, and not NIL.
      case .empty: connection.out.writeStaticString("\"\"")
      case .section(let source): try await send(source)
      }
    }
    connection.out.writeStaticString("\r\n")
    return .ok("URLFETCH completed")
  }

  private enum Found {
    case nothing
    case empty
    case section(SectionSource)
  }

  /// What a URL gives this session.
  private func fetched(_ url: ByteBuffer) async throws(CommandError) -> Found {
    guard let parsed = IMAPURL.parse(url, limits: settings.wire), let user = parsed.server?.user,
      let name = parsed.mailbox, let message = parsed.message, let authorization = message.authorization,
      let proof = authorization.proof, proof.mechanism == "INTERNAL", let rump = IMAPURL.rump(of: url)
    else { return .nothing }
    var ref: MailboxRef?
    var info: MailboxInfo?
    let owner = try await storeCall { store throws(StoreError) in try await store.account(named: user) }
    if let owner, owner.isEnabled {
      info = try await storeCall { store throws(StoreError) in
        try await store.mailbox(named: name.string, of: owner.id)
      }
      ref = info.map { MailboxRef(account: owner.id, mailbox: $0.id) }
    }
    let place = ref ?? MailboxRef(account: AccountID(0), mailbox: MailboxID(0))
    let known = try await storeCall { store throws(StoreError) in try await store.accessKey(.read, of: place) }
    // RFC 4467 §6: a token is reckoned in any case, so that time tells nothing of names.
    let isValid = AccessToken.isValid(proof.token, of: rump, key: known ?? AccessToken.newKey())
    guard isValid, known != nil, let owner, let info, info.isSelectable, allows(authorization),
      parsed.uidValidity ?? info.uidValidity == info.uidValidity
    else { return .nothing }
    let mailbox = try await storeCall { store throws(StoreError) in
      try await store.openMailbox(name.string, of: owner.id, onChange: {})
    }
    defer { mailbox.close() }
    guard mailbox.ref == place, mailbox.current?.index(of: message.uid) != nil else { return .nothing }
    let reader = try await storeCall { store throws(StoreError) in
      try await store.openMessage(message.uid, in: mailbox.ref)
    }
    guard !isOver else { throw .connectionClosed }
    guard let reader else { return .nothing }
    return SectionSource(reader, message.section ?? BodySection(), message.partial).map { Found.section($0) }
      ?? Found.empty
  }

  /// RFC 4467 §3: until when, and to whom.
  private func allows(_ authorization: IMAPURL.Authorization) -> Bool {
    if let expires = authorization.expires, settings.now() > expires { return false }
    guard let account else { return false }
    return switch authorization.access {
    case .submit: settings.submissionAccounts.contains { $0.equalsIgnoringASCIICase(account.name) }
    case .user(let name): name.equalsIgnoringASCIICase(account.name)
    // Nobody is anonymous here.
    case .authuser, .anonymous: true
    }
  }

  /// A section as a literal; its size is counted first where it is not known.
  private func send(_ source: SectionSource) async throws(CommandError) {
    var size = source.knownSize ?? 0
    if source.knownSize == nil {
      do throws(StoreError) {
        var pieces = source.pieces()
        while let bytes = try await pieces.next() { size += bytes.readableBytes }
      } catch {
        _ = completion(for: .store(error), of: .urlFetch)
        connection.out.writeStaticString("NIL")
        return
      }
    }
    guard !isOver else { throw .connectionClosed }
    connection.out.writeLiteralHeader(size: size)
    do throws(StoreError) {
      var pieces = source.pieces()
      while let bytes = try await pieces.next() {
        guard !isOver else { return }
        connection.out.writeImmutableBuffer(bytes)
        guard await drained() else { return }
      }
    } catch {
      // In the middle of a literal nothing can be taken back.
      _ = completion(for: .store(error), of: .urlFetch)
      isOver = true
      connection.close()
      throw .connectionClosed
    }
  }
}
