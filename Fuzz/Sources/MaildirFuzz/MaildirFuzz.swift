// The input is the text of the small files that Dovecot and Courier leave in a Maildir, and names of files and folders.
// Invariants:
// - Each of the lists is read or refused by name; what is read has no UID and no file twice, and no UID 0.
// - A list of UIDs, written, is read as the same list.
// - A file's name, taken apart and put together with the same flags, names the same message.
// - A folder's name leads to one directory below the root and nowhere else, and back to the same name.
import FuzzKit
import NIOCore

@testable import LocalMail

func maildirFuzz(_ given: ByteBuffer) {
  let files = [
    "dovecot-uidlist", "courierimapuiddb", "courierpop3dsizelist", "dovecot-keywords", "subscriptions",
    "courierimapsubscribed",
  ]
  var rest = given
  let which = rest.takeByte()
  let text = rest
  let disk = MemoryDisk(["/mail/\(files[Int(which) % files.count])": text, "/mail/cur/1": ByteBuffer()])
  let folder = MaildirFolder(directory: "/mail", disk: disk)

  if let list = try? folder.uidList() {
    var last: UInt32 = 0
    for record in list.records {
      must(record.uid > last, "UIDs do not ascend")
      last = record.uid
    }
    must(Set(list.records.map(\.base)).count == list.records.count, "a file has two UIDs")
    must(list.uidValidity > 0, "UIDVALIDITY 0")
    checkAgain(list)
  }
  _ = try? folder.courierUIDLs()
  if let names = try? KeywordNames.read("/mail", disk) {
    for (letter, name) in names.all {
      must((0..<LocalMailLimits.keywords).contains(letter), "a letter behind z")
      must(names.letter(of: name) != nil, "a keyword without its letter")
    }
  }
  _ = try? folder.scan()
  if let paths = try? MaildirTree(root: "/mail", disk: disk).subscriptions() { for path in paths { checkFolder(path) } }
  checkName(String(buffer: text))
  checkFolder(String(buffer: text).split(separator: "\n", omittingEmptySubsequences: false).map(String.init))
}

private func checkAgain(_ list: UIDList) {
  let disk = MemoryDisk(["/new/cur/1": ByteBuffer()])
  let folder = MaildirFolder(directory: "/new", disk: disk)
  // Names and UIDLs that no line could hold are refused.
  guard (try? folder.writeDovecotUIDList(list)) != nil, let again = try? folder.dovecotUIDList() else { return }
  must(
    again.records.count == list.records.count, "\(list.records.count) records were written, \(again.records.count) read"
  )
  for (one, other) in zip(list.records, again.records) {
    must(one.uid == other.uid && one.base == other.base, "\(one) is read as \(other)")
    must(one.uidl == other.uidl && one.guid == other.guid, "\(one) is read as \(other)")
  }
}

private func checkName(_ text: String) {
  let name = MaildirName(text)
  var unknown: [UInt8] = []
  let flags = name.letters.map { MaildirFlags(letters: $0, names: KeywordNames(), unknown: &unknown) } ?? MaildirFlags()
  let again = MaildirName(
    MaildirName.compose(base: name.base, flags: flags, keywordLetters: [], unknown: unknown, rest: name.rest))
  must(again.base == name.base, "\(text) becomes another message")
  var unknownAgain: [UInt8] = []
  let flagsAgain = again.letters.map {
    MaildirFlags(letters: $0, names: KeywordNames(), unknown: &unknownAgain)
  }
  must(flagsAgain == flags, "\(text) changes its flags")
  _ = (name.size, name.time, name.newBase)
}

private func checkFolder(_ path: [String]) {
  guard !path.isEmpty else { return }
  let directory = MailboxNames.directory(path)
  must(!directory.utf8.contains(UInt8(ascii: "/")), "\(path) leads out of the tree: \(directory)")
  must(directory.hasPrefix("."), "\(path) is not below the root: \(directory)")
  must(directory != "." && directory != "..", "\(path) is the tree itself: \(directory)")
  if let back = MailboxNames.path(ofDirectory: directory) {
    must(back == path, "\(path) is kept in \(directory), that is \(back)")
  }
}
