import ArgumentParser
import Foundation
import MailAdvice
import MailClient
import MailNet
import MerpatiServer
import NIOPosix

struct ChooseCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "choose", abstract: "POP3 or IMAP for this mailbox? Measures it, and recommends.",
    discussion: """
      Counts, sizes, quota, growth, round trip and throughput are taken from this mailbox; nothing in it changes: only \
      EXAMINE, FETCH with PEEK, TOP and the like are used. For an account on a server give a URL, for one in a Merpati \
      store on this machine --data and --account.
      """)

  @Argument(help: ArgumentHelp("imaps://user@host, imap://, pop3s:// or pop3://", valueName: "url")) var url: String?
  @OptionGroup var remote: RemoteOptions
  @Option(help: "The data folder of a Merpati store on this machine.") var data: String?
  @Option(help: "An account there.") var account: String?
  @Option(
    help: ArgumentHelp(
      "The same account by the other protocol; else the usual port of the same host is looked at, without a login.",
      valueName: "url"))
  var other: String?
  @Option(help: ArgumentHelp("Computers and phones that read this mailbox.", valueName: "n")) var devices: Int?
  @Flag(inversion: .prefixedNo, help: "Mail must be readable from elsewhere.") var elsewhere: Bool?
  @Option(help: ArgumentHelp("What mail may take on this computer, such as 20G.", valueName: "size"))
  var localDisk: String?
  @Option(help: ArgumentHelp("Write the chart to a file: .svg, or .html with all figures.", valueName: "file"))
  var chart: String?
  @Flag(help: "Print JSON.") var json = false

  func run() async throws {
    try await Terminal.run {
      let wishes = try self.wishes()
      if let chart, !chart.hasSuffix(".svg"), !chart.hasSuffix(".html") {
        throw Refusal.usage("--chart: '\(chart)' ends neither in .svg nor in .html")
      }
      let report = try await measure(wishes)
      if let chart {
        do {
          try (chart.hasSuffix(".svg") ? report.svg() : report.html())
            .write(toFile: chart, atomically: true, encoding: .utf8)
        } catch {
          throw Refusal(code: .cannotCreate, sentence: "\(chart): cannot be written")
        }
      }
      if json { return print(LogEscape.finishedJSON(try report.json()), terminator: "") }
      let text = report.text(width: max(80, min(100, Terminal.width)))
      Terminal.say(text.hasSuffix("\n") ? String(text.dropLast()) : text)
    }
  }

  private func wishes() throws -> Wishes {
    if let devices, devices < 1 { throw Refusal.usage("--devices: \(devices) is not above 0") }
    let disk = try localDisk.map { text in
      guard let octets = ConfigValues.octets(text) else {
        throw Refusal.usage("--local-disk: '\(text)' is not a size such as 500M or 20G")
      }
      return octets
    }
    return Wishes(devices: devices, readsElsewhere: elsewhere, localDiskOctets: disk)
  }

  private func measure(_ wishes: Wishes) async throws -> Report {
    guard let url else {
      guard let account else {
        throw Refusal.usage("which mailbox? Give a URL, or --data and --account for one on this machine")
      }
      let directory = try await DataFolder.resolve(flag: data)
      let reply = try await Terminal.call(.choose(account: account, wishes: wishes), in: directory)
      guard let advice = reply.advice else {
        throw Refusal(code: .temporary, sentence: "the server gave no answer; try again")
      }
      return advice
    }
    guard account == nil, data == nil else { throw Refusal.usage("give a URL, or --data and --account, not both") }
    let remote = try Remote(url, self.remote)
    return try await Choose.report(
      on: remote.server, user: remote.user, remote.credential, other: try otherSide(of: remote), wishes: wishes,
      group: MultiThreadedEventLoopGroup.singleton, now: Int64(Date().timeIntervalSince1970),
      progress: progress())
  }

  /// Where the other protocol of the same host would be.
  private func otherSide(of remote: Remote) throws -> RemoteServer? {
    if let other { return try self.remote.server(RemoteURL(other)) }
    let usual: [Int: (MailProtocol, Int)] = [
      143: (.pop3, 110), 993: (.pop3, 995), 110: (.imap, 143), 995: (.imap, 993),
    ]
    guard let (kind, port) = usual[remote.server.port] else { return nil }
    var server = remote.server
    server.mailProtocol = kind
    server.port = port
    return server
  }

  /// On a terminal only: the report is what was asked for.
  private func progress() -> JobReporter? {
    guard isatty(STDERR_FILENO) == 1, !json else { return nil }
    let display = ProgressDisplay(json: false)
    return { event in
      var event = event
      if event.event == .finished { event.text = nil }
      display.report(event)
    }
  }
}
