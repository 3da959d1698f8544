import ArgumentParser
import Foundation
import MerpatiServer

struct MetadataCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "metadata", abstract: "Show and change notes of the server that every account reads (RFC 5464).",
    discussion: """
      /shared/comment is a note for all, /shared/admin the URI by which the administrator is reached. A search kept as \
      /shared/filters/values/NAME can be used by everybody as FILTER NAME (RFC 5466), and \
      /shared/filters/descriptions/NAME says what it is for. Whatever else is kept goes below /shared/vendor/VENDOR. \
      Sessions that have asked for it hear of a change at once.
      """,
    subcommands: [List.self, Get.self, Set.self, Delete.self])

  struct List: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Show the entries there are, and how their values begin.")
    @OptionGroup var data: DataOptions
    @Flag(help: "Print JSON, with whole values.") var json = false

    func run() async throws {
      let entries = try await Terminal.call(.metadataList(entry: nil), in: data.directory).metadata ?? []
      if json { return try Terminal.json(entries) }
      Terminal.table(
        ["ENTRY", "OCTETS", "VALUE"],
        entries.map { entry in
          let value = entry.value.map { Text.cut(Text.plain($0), 60) } ?? "(not a text)"
          return [entry.entry, String(entry.octets), value]
        }, right: [1])
    }
  }

  struct Get: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "get", abstract: "Print an entry's value, octet for octet.",
      discussion: "On a terminal it is made fit to be read, and ends with a line end.")
    @Argument var entry: String
    @OptionGroup var data: DataOptions
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
      try await Terminal.run {
        let reply = try await Terminal.call(.metadataList(entry: entry), in: data.directory)
        guard let found = reply.metadata?.first else { return }
        if json { return try Terminal.json(found) }
        guard isatty(STDOUT_FILENO) == 1 else { return try found.bytes.withUnsafeBytes(Terminal.put) }
        Terminal.say((found.value ?? "(not a text)").replacing("\r\n", with: "\n"))
      }
    }
  }

  struct Set: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "set", abstract: "Set an entry for every account.",
      discussion: """
        Line ends become CRLF, as RFC 5464 has it. With - the value is what standard input brings, without the line end \
        behind its last line.
        """)
    @Argument(help: "/shared/comment, for example.") var entry: String
    @Argument(help: "The text, or - for standard input.") var value: String
    @Flag(help: "With -: take the octets as they come, line ends too.") var binary = false
    @OptionGroup var data: DataOptions

    func validate() throws {
      if binary, value != "-" { throw ValidationError("--binary goes with -: an argument is always a text") }
    }

    func run() async throws {
      try await Terminal.run {
        let octets = value == "-" ? try input() : Self.withCRLF(Array(value.utf8)[...])
        let reply = try await Terminal.call(.metadataChange(entry: entry, value: Data(octets)), in: data.directory)
        Terminal.say(reply.message ?? "changed")
      }
    }

    /// Never more than can be a value, and its last line end.
    private func input() throws -> [UInt8] {
      let most = MetadataReport.longestValue + 2
      var octets: [UInt8] = []
      while octets.count <= most {
        guard let more = try FileHandle.standardInput.read(upToCount: 65_536), !more.isEmpty else { break }
        octets += more
      }
      guard octets.count <= most else {
        throw Refusal(
          code: .data,
          sentence: "standard input has more than \(MetadataReport.longestValue) octets, which are the most of a value")
      }
      if binary { return octets }
      guard String(validating: octets, as: UTF8.self) != nil else {
        throw Refusal(code: .data, sentence: "standard input is no text in UTF-8; --binary takes it as it is")
      }
      var text = octets[...]
      if text.last == 0x0A { text.removeLast() }
      if text.count < octets.count, text.last == 0x0D { text.removeLast() }
      return Self.withCRLF(text)
    }

    private static func withCRLF(_ text: ArraySlice<UInt8>) -> [UInt8] {
      var lines: [UInt8] = []
      lines.reserveCapacity(text.count)
      for octet in text {
        if octet == 0x0A, lines.last != 0x0D { lines.append(0x0D) }
        lines.append(octet)
      }
      return lines
    }
  }

  struct Delete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "delete", abstract: "Remove an entry.")
    @Argument var entry: String
    @OptionGroup var data: DataOptions

    func run() async throws {
      let reply = try await Terminal.call(.metadataChange(entry: entry, value: nil), in: data.directory)
      Terminal.say(reply.message ?? "removed")
    }
  }
}
