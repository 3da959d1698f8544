// The input is the stored form of a password, or a password. Invariants:
// - Any text is read or refused, and the refusal does not show more of it than the scheme's name.
// - What was read and is stored again is read as the same.
// - Preparing a password twice is preparing it once, so that a password that was set opens the account.
import FuzzKit
import NIOCore
import SASL

func credentialsFuzz(_ given: ByteBuffer) {
  let buffer = given
  let text = String(buffer: buffer)
  do {
    let credentials = try Credentials(stored: text)
    let again = try? Credentials(stored: credentials.stored)
    must(again == credentials, "\(text) is stored as \(credentials.stored)")
    must(credentials.isNone == text.isEmpty, "nothing was stored, or something")
    must(!credentials.servesSCRAM || credentials.keys(for: .sha1) != nil, "SCRAM without keys")
    // Only digests: crypt(3) may be asked for hours of work by its setting.
    let isDigest = text.uppercased().hasPrefix("{S") && !text.uppercased().hasPrefix("{SC")
    if isDigest, !text.contains("$") { must(credentials.verify(Array("wrong".utf8)) == .wrong, "any password fits") }
  } catch {
    must(error.description.utf8.count <= 250, "a refusal that shows too much")
  }

  let password = Array(buffer.readableBytesView)
  if let prepared = SASLprep.prepare(password) {
    must(SASLprep.prepare(prepared) == prepared, "\(password) is prepared as \(prepared), that as something else")
  }
  _ = try? Credentials.prepare(password)
}
