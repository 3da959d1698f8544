import IMAPClient
public import MailClient
public import MailNet
public import MailStore
public import NIOCore
import POP3Client

/// `merpati choose`: measures a mailbox and says which way suits it.
public enum Choose {
  /// Measures through a probe and closes it.
  /// - other: what is known of the protocol that the probe does not speak.
  /// - now: seconds since 1970.
  public static func report(
    on probe: any MailboxProbe, other: ServiceFacts? = nil, wishes: Wishes = Wishes(),
    assumptions: ModelAssumptions = ModelAssumptions(), now: Int64, progress: JobReporter? = nil
  ) async throws -> Report {
    do {
      let measurement = try await Measurer(probe, now: now, report: progress).measure(other: other)
      await probe.close()
      return Report(measurement, wishes: wishes, assumptions: assumptions)
    } catch {
      await probe.close()
      throw error
    }
  }

  /// A mailbox on a server, by the protocol that `server` names. The line is measured without COMPRESS.
  /// - other: the same host by the other protocol, if it is to be looked at: a connection without a login.
  public static func report(
    on server: RemoteServer, user: String, _ credential: Credential, other: RemoteServer? = nil,
    wishes: Wishes = Wishes(), group: any EventLoopGroup, timeouts: ClientTimeouts = ClientTimeouts(), now: Int64,
    progress: JobReporter? = nil
  ) async throws -> Report {
    let account = user.contains("@") ? user : "\(user)@\(server.host)"
    var known: ServiceFacts?
    if let other { known = await look(at: other, group: group, timeouts: timeouts) }
    let probe: any MailboxProbe
    switch server.mailProtocol {
    case .imap:
      let client = try await IMAPClient.connect(to: server, group: group, timeouts: timeouts)
      do {
        try await client.logIn(user: user, credential, compress: false)
      } catch {
        await client.abandon()
        throw error
      }
      probe = IMAPProbe(client, account: account)
    case .pop3:
      let client = try await POP3Client.connect(to: server, group: group, timeouts: timeouts)
      do {
        try await client.logIn(user: user, credential)
      } catch {
        await client.abandon()
        throw error
      }
      probe = POP3Probe(client, account: account)
    }
    return try await report(on: probe, other: known, wishes: wishes, now: now, progress: progress)
  }

  /// An account of a store on this machine.
  public static func report(
    on store: any MailStore, _ account: Account, wishes: Wishes = Wishes(), now: Int64, progress: JobReporter? = nil
  ) async throws -> Report {
    let probe = StoreProbe(store, account)
    return try await report(on: probe, other: probe.pop3Service, wishes: wishes, now: now, progress: progress)
  }

  /// What a server announces before login. Nobody listening there means that the protocol is not offered; any other
  /// trouble leaves it unknown.
  public static func look(
    at server: RemoteServer, group: any EventLoopGroup, timeouts: ClientTimeouts
  ) async -> ServiceFacts {
    do {
      switch server.mailProtocol {
      case .imap:
        let client = try await IMAPClient.connect(to: server, group: group, timeouts: timeouts)
        let facts = ServiceFacts(.imap, .offered, capabilities: client.capabilities)
        await client.logOut()
        return facts
      case .pop3:
        let client = try await POP3Client.connect(to: server, group: group, timeouts: timeouts)
        let facts = ServiceFacts(client.capabilities)
        await client.abandon()
        return facts
      }
    } catch {
      if case .cannotConnect = error.kind { return ServiceFacts(server.mailProtocol, .notOffered) }
      return ServiceFacts(server.mailProtocol, .unknown)
    }
  }
}
