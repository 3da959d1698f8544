import ArgumentParser
import Foundation
import MerpatiServer

/// What the command line says to people and to scripts.
enum Terminal {
  static func fail(_ failure: ControlFailure) -> ExitCode {
    write("merpati: \(Text.plain(failure.sentence))\n", to: STDERR_FILENO)
    return ExitCode(failure.code.rawValue)
  }

  static func note(_ text: String) {
    write(text + "\n", to: STDERR_FILENO)
  }

  /// Lines that hold names and texts which others chose.
  static func say(_ text: String) {
    print(
      text.split(separator: "\n", omittingEmptySubsequences: false).map { Text.plain(String($0)) }.joined(
        separator: "\n"))
  }

  /// That nobody reads it, or that its disk is full, is no reason to stop the work; `FileHandle` would end the process.
  static func write(_ text: String, to file: Int32) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { systemWrite(file, $0.baseAddress, $0.count) }
      if count > 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        var ready = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
        _ = poll(&ready, 1, 1000)
      } else if errno != EINTR {
        return
      }
    }
  }

  static func json(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(LogEscape.finishedJSON(String(decoding: try encoder.encode(value), as: UTF8.self)))
  }

  /// Rows in columns as wide as their longest cell; the columns named in `right` flush right.
  static func table(_ header: [String], _ rows: [[String]], right: Set<Int> = []) {
    let rows = rows.map { $0.map(Text.plain) }
    let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
    for row in [header] + rows {
      let cells = row.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return right.contains(column) ? padding + cell : column == row.count - 1 ? cell : cell + padding
      }
      print(cells.joined(separator: "  "))
    }
  }

  /// Asks the server that runs on `directory`, or opens the folder when none runs. User errors end the command with a
  /// sentence and a sysexits code.
  static func call(
    _ request: ControlRequest, in directory: String, body: (() throws -> [UInt8]?)? = nil
  ) async throws -> ControlReply {
    do {
      let reply = try await DataFolder.call(request, in: directory, body: body)
      if let failure = reply.failure { throw failure }
      return reply
    } catch let failure as ControlFailure {
      throw fail(failure)
    } catch let error as ConfigError {
      throw fail(ControlFailure(.configuration, error.description))
    }
  }

  /// One password from standard input: the first line, without its line end.
  static func readPassword() throws -> String {
    if isatty(STDIN_FILENO) == 1 { FileHandle.standardError.write(Data("Password: ".utf8)) }
    var restore: termios?
    if isatty(STDIN_FILENO) == 1 {
      var settings = termios()
      tcgetattr(STDIN_FILENO, &settings)
      restore = settings
      settings.c_lflag &= ~tcflag_t(ECHO)
      tcsetattr(STDIN_FILENO, TCSANOW, &settings)
    }
    defer {
      if var restore {
        tcsetattr(STDIN_FILENO, TCSANOW, &restore)
        FileHandle.standardError.write(Data("\n".utf8))
      }
    }
    guard let line = readLine(strippingNewline: true), !line.isEmpty else {
      throw fail(ControlFailure(.usage, "no password on standard input"))
    }
    return line
  }
}

/// `write` of the system, which methods of the same name hide.
private func systemWrite(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int { write(file, bytes, count) }
