import ArgumentParser
import Foundation
import MerpatiServer

struct Deliver: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "deliver", abstract: "Deliver one message from standard input to an account.",
    discussion: """
      For pipes of an MTA. Ends with a code of sysexits(3): 0 delivered, 67 no such account, 73 the account is full \
      (75 when lmtp.quota-full is 452), 65 the message is refused, 75 try again later.
      """)
  @Argument(help: "user, user@domain or user+folder@domain") var name: String
  @OptionGroup var data: DataOptions
  @Option(name: .shortAndLong, help: "The envelope sender, for Return-Path.") var from = ""

  func run() async throws {
    let input = FileHandle.standardInput
    let reply = try await Terminal.call(
      .deliver(.init(recipient: name, sender: from)), in: data.directory,
      body: { try input.read(upToCount: 65_536).map(Array.init) })
    _ = reply
  }
}
