import LocalMail
import MailClient
import MailNet
import Testing

@testable import MailPull

@Suite struct ConfigurationTests {
  private func read(_ text: String) throws -> PullConfiguration {
    try PullConfiguration(text: text, file: "/etc/pull.yaml", home: "/srv/ana")
  }

  /// What is said when `text` is refused.
  private func refusal(_ text: String) -> String {
    do {
      _ = try read(text)
      return "accepted"
    } catch { return "\(error)" }
  }

  private func account(_ keys: String) throws -> PullAccount {
    let head = "accounts:\n  - url: pop3s://ana@mail.example.org\n    password-file: ~/pw\n    to: maildir:~/Mail\n"
    return try #require(try read(head + keys).accounts.first)
  }

  @Test func `Every key of an account arrives`() throws {
    let configuration = try read(
      """
      defaults:
        password-command: pass mail/%s
        to: maildir:~/Mail
        at-least-once: yes
      accounts:
        - name: work
          url: pop3://ana@mail.example.org:1110
          starttls: true
          ca: certs/ca.pem
          policy: keep-days 14
          commit-every: 2000
        - name: home
          url: pop3s://ana%40example.com@pop.example.com
          fingerprint: \(Array(repeating: "Ab", count: 32).joined(separator: ":"))
          secret-service: {service: mail, user: ana}
          to: lmtp:[::1]:24
          recipient: ana@localhost
          policy: keep-under 80%
          quota: 2G
        - url: imaps://ana@mail.example.org
          oauth:
            token-url: https://id.example.org/token
            client-id: me
            client-secret-file: ~/secret
            refresh-token-command: cat token
          mode: headers
          mailboxes: [INBOX, Archive]
      """)
    #expect(try PullDestination("maildir:./Mail//x/", home: nil, folder: "/etc") == .maildir("/etc/Mail/x"))
    let accounts = configuration.accounts
    #expect(accounts.map(\.name) == ["work", "home", "ana@mail.example.org"])
    #expect(accounts[0].server.port == 1110)
    #expect(accounts[0].server.security.encryption == .startTLS)
    #expect(accounts[0].server.security.trust == .authorities(file: "/etc/certs/ca.pem"))
    #expect(accounts[0].credential == .password(.command("pass mail/%s")))
    #expect(accounts[0].destination == .maildir("/srv/ana/Mail"))
    #expect(accounts[0].options.policy == .keepDays(14))
    #expect(accounts[0].options.commitEvery == 2000)
    #expect(accounts[0].options.deliversDoubtfulAgain)
    #expect(accounts[1].server.user == "ana@example.com")
    #expect(accounts[1].server.security.encryption == .implicit)
    #expect(accounts[1].server.security.trust == .fingerprint([UInt8](repeating: 0xAB, count: 32)))
    #expect(accounts[1].credential == .password(.secretService(["service": "mail", "user": "ana"])))
    #expect(accounts[1].destination == .lmtp(.host("::1", port: 24)))
    #expect(accounts[1].recipient == "ana@localhost")
    #expect(accounts[1].options.policy == .keepUnder(percent: 80))
    #expect(accounts[1].options.quotaOctets == 2 << 30)
    #expect(accounts[2].mode == .headers)
    #expect(accounts[2].mailboxes == ["INBOX", "Archive"])
    guard case .refresh(let refresh) = accounts[2].credential else {
      Issue.record("\(accounts[2].credential)")
      return
    }
    #expect(refresh.clientSecret == .file("/srv/ana/secret"))
    #expect(refresh.refreshToken == .command("cat token"))
  }

  @Test func `An unknown key is refused with file, line, account and the key that was meant`() throws {
    let text = refusal(
      "accounts:\n  - name: work\n    url: pop3s://a@b\n    pasword-file: x\n    to: mbox:/x\n")
    #expect(text == "/etc/pull.yaml:4: account 'work': pasword-file: no such key; did you mean 'password-file'?")
    #expect(refusal("account: []\n") == "/etc/pull.yaml:1: account: no such key; did you mean 'accounts'?")
    #expect(
      refusal("defaults: {polcy: keep}\naccounts: [{url: x}]\n").contains(
        "defaults.polcy: no such key; did you mean 'policy'?"))
    #expect(!refusal("accounts:\n  - {url: pop3s://a@b, wxyzzy-nothing-like-it: 1}\n").contains("did you mean"))
  }

  @Test func `A password in the file is refused, and never repeated`() {
    let text = refusal("accounts:\n  - {url: pop3s://a@b, password: geheim, to: 'mbox:/x'}\n")
    #expect(text.contains("password-command"))
    #expect(!text.contains("geheim"))
    let inURL = refusal("accounts:\n  - {url: 'pop3s://a:geheim@b', password-file: x, to: 'mbox:/x'}\n")
    #expect(inURL.contains("url: "))
    #expect(!inURL.contains("geheim"))
  }

  @Test(arguments: [
    ("    policy: keep-days\n", "policy: 'keep-days': delete, keep, keep-days N or keep-under PERCENT is expected"),
    ("    policy: keep-under 120%\n", "policy: "),
    ("    policy: [keep]\n", "policy: one value is expected"),
    ("    quota: much\n", "quota: 'much' is no size"),
    ("    starttls: perhaps\n", "starttls: 'perhaps' is neither true nor false"),
    ("    fingerprint: abcd\n", "fingerprint: not the 64 hexadecimal digits"),
    ("    commit-every: 0\n", "commit-every: '0' is no number from 1 to"),
    ("    mode: sync\n", "mode: not for pop3"),
    ("    password-command: x\n", "password-file: one source of the password is enough; password-command"),
    ("    ca: x\n    fingerprint: \(String(repeating: "a", count: 64))\n", "fingerprint: either this or ca"),
    ("    to: maildir:/x\n", "given twice: "),
    ("    oauth: {token-url: 'http://x'}\n", "oauth: either token-command"),
    ("    name: ''\n", "name: one value is expected"),
  ])
  func `A value that can't be meant is refused by its key`(_ keys: String, _ expected: String) {
    let head = "accounts:\n  - url: pop3s://ana@mail.example.org\n    password-file: ~/pw\n    to: maildir:~/Mail\n"
    let text = refusal(head + keys)
    #expect(text.contains(expected), "\(text)")
    #expect(text.hasPrefix("/etc/pull.yaml:"))
  }

  @Test func `What is missing is said`() {
    #expect(refusal("").contains("'accounts:' with a list is expected"))
    #expect(refusal("accounts: []\n").contains("a list of accounts is expected"))
    #expect(refusal("accounts: [x]\n").contains("entry 1 is no mapping"))
    #expect(refusal("accounts:\n  - {to: 'mbox:/x'}\n").contains("account 'number 1': url: the server is not said"))
    #expect(refusal("accounts:\n  - {url: pop3s://a@b, password-file: x}\n").contains("to: where the mail goes"))
    #expect(refusal("accounts:\n  - {url: pop3s://a@b, to: 'mbox:/x'}\n").contains("where the password is"))
    #expect(refusal("accounts:\n  - {url: pop3s://b, password-file: x, to: 'mbox:/x'}\n").contains("without a user"))
    #expect(refusal("accounts: [\n").contains("not YAML"))
    let twice = "  - {name: a, url: pop3s://a@b, password-file: x, to: 'mbox:/x'}\n"
    #expect(refusal("accounts:\n" + twice + twice).contains("/etc/pull.yaml:3: account 'a': name: two accounts"))
  }

  @Test func `An account's own source of the password replaces the one of the defaults`() throws {
    let configuration = try read(
      """
      defaults: {password-command: pass, to: 'mbox:/x', fingerprint: \(String(repeating: "a", count: 64))}
      accounts:
        - {name: a, url: pop3s://a@b, password-environment: PW, ca: /ca.pem}
        - {name: b, url: pop3s://b@b}
      """)
    #expect(configuration.accounts[0].credential == .password(.environment("PW")))
    #expect(configuration.accounts[0].server.security.trust == .authorities(file: "/ca.pem"))
    #expect(configuration.accounts[1].credential == .password(.command("pass")))
    #expect(throws: PullConfigurationError.self) {
      try configuration.accounts(named: ["c"], file: "/etc/pull.yaml")
    }
    #expect(try configuration.accounts(named: ["b"], file: "/etc/pull.yaml").map(\.name) == ["b"])
  }

  @Test(arguments: [
    ("maildir:/a/b/", "maildir:/a/b"), ("mbox:~/mail", "mbox:/srv/ana/mail"),
    ("mda:procmail -d ana", "mda:procmail -d ana"),
    ("lmtp:unix:/run/lmtp", "lmtp:unix:/run/lmtp"), ("lmtp:localhost:24", "lmtp:localhost:24"),
    ("store:/var/mail/ana@example.org", "store:/var/mail/ana@example.org"),
  ])
  func `Targets are read and printed`(_ text: String, _ expected: String) throws {
    #expect(try PullDestination(text, home: "/srv/ana").description == expected)
  }

  @Test(arguments: [
    "", "maildir", "maildir:", "tape:/dev/st0", "lmtp:nohost", "lmtp:host:0", "lmtp:::1:24", "store:x", "store:/x/",
  ])
  func `What is no target is refused`(_ text: String) {
    #expect(throws: PullError.self) { try PullDestination(text, home: nil) }
  }

  @Test func `The journal of an account is the same with TLS and without`() throws {
    #expect(try account("").journalName == "pop3://ana@mail.example.org")
    let other = try read(
      "accounts: [{url: 'pop3://ana@MAIL.example.org', password-file: x, to: 'mbox:/x'},"
        + " {name: b, url: 'pop3://ana@mail.example.org:1110', password-file: x, to: 'mbox:/x'}]")
    #expect(other.accounts[0].journalName == "pop3://ana@mail.example.org")
    #expect(other.accounts[1].journalName == "pop3://ana@mail.example.org:1110")
  }

  @Test func `Several accounts run at once, not more than allowed, and answer in their order`() async throws {
    let list = (1...6).map { "{name: a\($0), url: 'pop3s://a\($0)@b', password-file: x, to: 'mbox:/x'}" }
    let accounts = try read("accounts: [\(list.joined(separator: ", "))]").accounts
    let gauge = Gauge()
    let names = await PullAll.run(accounts, parallel: 2) { account in
      await gauge.enter()
      for _ in 0..<20 { await Task.yield() }
      await gauge.leave()
      return account.name
    }
    #expect(names == accounts.map(\.name))
    #expect(await gauge.most <= 2)
  }
}

private actor Gauge {
  private var inside = 0
  private(set) var most = 0
  func enter() {
    inside += 1
    most = max(most, inside)
  }
  func leave() { inside -= 1 }
}
