// The input is an IMAP URL. Invariants:
// - What can be read can be printed, and what was printed is read as the same URL.
// - The rump of a URL is its beginning, and what a response code would carry of it stands on one line, inside the brackets.
import FuzzKit
import IMAPCore
import NIOCore

func urlFuzz(_ given: ByteBuffer) {
  if let url = IMAPURL.parse(given) {
    let printed = "\(url)"
    // Escapes may make it longer than what is read.
    if printed.utf8.count <= IMAPLimits.standard.url {
      let again = IMAPURL.parse(ByteBuffer(string: printed))
      must(again == url, "\(url)\nis read as\n\(String(describing: again))")
    }
  }
  if let rump = IMAPURL.rump(of: given) {
    must(given.readableBytesView.starts(with: rump.readableBytesView), "the rump is not the beginning")
  }
  let text = IMAPURL.responseText(given)
  must(text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "]") }, "a code cannot carry \(text)")
}
