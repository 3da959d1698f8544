import IMAPCore
import NIOCore

/// Commands as clients send them: framed, read, and printed again as the client side does.
func measureCommands(_ meter: inout Meter) throws {
  let commands: [(name: String, line: String)] = [
    ("noop", "a1 NOOP"),
    ("idle", "a1 IDLE"),
    ("select", "a1 SELECT INBOX"),
    ("fetch-flags", "a1 FETCH 1:* (FLAGS)"),
    ("uid-fetch-list", "a1 UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"),
    ("uid-fetch-body", "a1 UID FETCH 4711 (UID BODY.PEEK[])"),
    ("uid-fetch-headers", "a1 UID FETCH 1:100 BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)]"),
    ("store", "a1 STORE 5 +FLAGS (\\Seen)"),
    ("uid-store", "a1 UID STORE 5:10,20 +FLAGS.SILENT (\\Deleted $Forwarded)"),
    ("uid-search", "a1 UID SEARCH UNSEEN SINCE 1-Nov-2026 SUBJECT pigeon"),
    ("expunge", "a1 EXPUNGE"),
    ("status", "a1 STATUS Archive (MESSAGES UNSEEN UIDNEXT)"),
    ("list", "a1 LIST \"\" *"),
    ("login", "a1 LOGIN budi \"rahasia\""),
  ]
  for (name, line) in commands {
    let bytes = ByteBuffer(string: line)
    let parsed = try CommandFrame(bytes).parse()
    try meter.measure("parse \(name)", times: 20_000) { keep(try CommandFrame(bytes).parse()) }
    meter.measure("print \(name)", times: 5_000) {
      var printer = CommandPrinter(options: .rev1, nonSynchronizing: true)
      printer.print(parsed)
      keep(printer.buffer)
    }
  }
  var framer = CommandFramer(isLoggedIn: true)
  let ten = ByteBuffer(string: String(repeating: "a1 UID FETCH 4711 (UID FLAGS)\r\n", count: 10))
  meter.measure("frame ten pipelined commands", times: 5_000) {
    framer.receive(ten)
    while case .command(let frame) = framer.next() { keep(frame) }
  }
}
