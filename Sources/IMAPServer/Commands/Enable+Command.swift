import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// ENABLE (RFC 9051 §6.3.1). What is not known, or need not be enabled, is passed over.
  func enable(_ command: EnableCommand, and others: [String] = []) throws(CommandError) -> Completion {
    try checkEnable(command)
    var names = others
    if command.capabilities.contains("IMAP4REV2"), !isRev2 {
      isRev2 = true
      framer.options = .rev2
      names.append("IMAP4rev2")
    }
    if command.capabilities.contains("UTF8=ACCEPT"), !isUTF8 {
      isUTF8 = true
      framer.options = .rev2
      names.append("UTF8=ACCEPT")
    }
    var wanted: EnabledExtensions = []
    if command.capabilities.contains("CONDSTORE") { wanted.insert(.condStore) }
    if command.capabilities.contains("QRESYNC") { wanted.insert(.qResync) }
    if command.capabilities.contains("UIDONLY") { wanted.insert(.uidOnly) }
    // What a command has implied before is answered for all the same: RFC 7162 §3.2.3 asks for the word.
    let new = wanted.subtracting(enabledByName)
    names += Self.switches.filter { new.contains($0.0) }.map(\.1)
    enabledByName.formUnion(wanted)
    // RFC 9051 §6.3.1: sent even if nothing was enabled.
    connection.out.writeEnabled(names)
    enabled.formUnion(wanted.subtracting(.condStore))
    if wanted.contains(.uidOnly) { endNumberedContexts() }
    if !wanted.isDisjoint(with: [.condStore, .qResync]) { enableCondStore() }
    return .ok("ENABLE completed")
  }

  private static let switches: [(EnabledExtensions, String)] = [
    (.condStore, "CONDSTORE"), (.qResync, "QRESYNC"), (.uidOnly, "UIDONLY"),
  ]

  /// What refuses the whole command, before any of it is done.
  private func checkEnable(_ command: EnableCommand) throws(CommandError) {
    // RFC 6855 §3: only valid in the authenticated state.
    guard !command.capabilities.contains("UTF8=ACCEPT") || view == nil else {
      throw .bad("UTF8=ACCEPT cannot be enabled while a mailbox is selected")
    }
  }

  /// The same with METADATA or METADATA-SERVER among them, for which the store has to be asked (RFC 5464 §4.4).
  func enableWithMetadata(_ command: EnableCommand) async throws(CommandError) -> Completion {
    try checkEnable(command)
    let isNew = metadata == nil
    try await enableMetadata()
    guard !isOver else { throw .connectionClosed }
    return try enable(command, and: isNew ? command.capabilities.filter { $0.hasPrefix("METADATA") } : [])
  }
}

extension EnableCommand {
  var enablesMetadata: Bool { capabilities.contains("METADATA") || capabilities.contains("METADATA-SERVER") }
}
