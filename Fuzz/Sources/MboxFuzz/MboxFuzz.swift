// The input is a byte that sets the reader up, and an mbox file. Invariants:
// - The messages lie in the file one behind the other, from its first From line to its end, each within its own place.
// - What is read of a message is no longer than it is, whatever Content-Length says.
// - Messages, written by MboxWriter, are read as the same messages.
import FuzzKit
import LocalMail
import NIOCore

func mboxFuzz(_ given: ByteBuffer) {
  var file = given
  let setup = file.takeByte()
  var settings = MboxReadSettings()
  settings.quoting = [MboxQuoting.mboxrd, .mboxo, .none][Int(setup & 3) % 3]
  settings.stripsStatus = setup & 4 != 0
  settings.usesContentLength = setup & 8 == 0
  let disk = MemoryDisk(["/mail/mbox": file])
  guard let reader = try? MboxReader(path: "/mail/mbox", settings: settings, disk: disk) else {
    return must(false, "a file that is there cannot be opened")
  }
  var messages: [ByteBuffer] = []
  var end: Int64?
  // What is no mbox file is refused with an error that says so.
  while let entry = try? reader.next() {
    must(entry.offset == end ?? entry.offset, "messages do not lie one behind the other")
    must(entry.length > 0 && entry.messageLength >= 0, "a message of no length")
    must(entry.messageOffset >= entry.offset, "a message lies before its From line")
    end = entry.offset + entry.length
    must(entry.messageOffset + entry.messageLength <= end ?? 0, "a message goes beyond its end")
    guard let message = try? reader.message(of: entry) else { return must(false, "a message cannot be read") }
    must(Int64(message.readableBytes) <= entry.messageLength, "unquoting made a message longer")
    messages.append(message)
  }
  must(end == nil || end == Int64(file.readableBytes) || messages.isEmpty, "the last message does not end the file")
  writeAgain(messages)
}

private func writeAgain(_ messages: [ByteBuffer]) {
  let disk = MemoryDisk([:])
  var settings = MboxWriteSettings()
  settings.usesDotLock = false
  settings.readsBackFromDisk = false
  let writer = MboxWriter(path: "/mail/new", settings: settings, disk: disk)
  let wanted = messages.map { MboxMessage(.bytes($0), sender: "a@b.example", date: 1_700_000_000) }
  guard let places = try? writer.append(wanted) else { return must(messages.isEmpty, "nothing was written") }
  must(places.count == messages.count, "not every message has its place")
  var reading = MboxReadSettings()
  reading.usesContentLength = false
  guard !messages.isEmpty, let reader = try? MboxReader(path: "/mail/new", settings: reading, disk: disk) else {
    return
  }
  for (place, message) in zip(places, messages) {
    guard let entry = try? reader.next(), let back = try? reader.message(of: entry) else {
      return must(false, "what was written is not read")
    }
    must(entry.offset == place.offset, "a message is not where it was written")
    must(folded(back) == folded(message), "written\n\(String(buffer: message))\nread\n\(String(buffer: back))")
  }
  must((try? reader.next()) == nil, "there are more messages than were written")
}

/// Lines in an mbox file end with LF.
private func folded(_ message: ByteBuffer) -> [UInt8] {
  var result: [UInt8] = []
  for byte in message.readableBytesView {
    if byte == 0x0A { while result.last == 0x0D { result.removeLast() } }
    result.append(byte)
  }
  return result
}
