// The input is a byte that sets the reader up and what a POP3 server sends. Invariants:
// - However the bytes are cut, the same responses, bodies and errors come out.
// - What is handed out whole is no longer than asked for; pieces are never empty.
// - Nothing comes out of a body that did not stand in it: dots are taken off, nothing is put in.
// - Listings can be made of any body, each line once.
import Bytes
import FuzzKit
import NIOCore
import POP3Core

func pop3ResponseFuzz(_ given: ByteBuffer) {
  var sent = given
  let setup = sent.takeByte()
  sent = sent.stretched(upTo: POP3Limits.receivedLine + 500)
  let whole = drive([sent], setup)
  let cut = drive(sent.cut(seed: UInt64(sent.readableBytes) &* 31 &+ UInt64(setup)), setup)
  must(whole == cut, "cut, the reader sees\n\(cut)\nwhole\n\(whole)")
  for case .body(let body) in whole {
    must(body.readableBytes <= sent.readableBytes, "a body is longer than what came")
    let lines = body.readableBytesView.reduce(into: 1) { $0 += $1 == 0x0A ? 1 : 0 }
    must(POP3ListingLine.scans(body).count <= lines, "more messages than lines")
    must(POP3ListingLine.uniqueIDs(body, limit: 3).count <= 3, "more ids than asked for")
  }
}

private enum Seen: Equatable {
  case status(Bool, String?, String)
  case body(ByteBuffer)
  case cut(ByteBuffer)
  case failed(POP3ReadError)
}

/// Bits of `setup`: the first three say which of the responses have a body; then what LIST announced of it, right or
/// wrong, and how much is taken whole.
private func drive(_ chunks: [ByteBuffer], _ setup: UInt8) -> [Seen] {
  let wholeLimit = setup & 8 == 0 ? 64 : 1 << 20
  let octets: Int64? = setup & 16 == 0 ? nil : Int64(setup >> 5) * 7
  var reader = POP3ResponseReader()
  var seen: [Seen] = []
  var body: ByteBuffer?
  var number = 0
  for chunk in chunks {
    reader.feed(chunk)
    more: while true {
      if body == nil {
        let status: POP3StatusLine?
        do throws(POP3ReadError) { status = try reader.nextStatus() } catch {
          seen.append(.failed(error))
          return seen
        }
        guard let status else { break more }
        seen.append(.status(status.isOK, status.code, status.text))
        _ = POP3ListingLine.dropListing(status.text)
        if status.isOK, setup >> UInt8(number % 3) & 1 == 1 {
          reader.beginBody(octets: octets, wholeLimit: wholeLimit)
          body = ByteBuffer()
        }
        number += 1
        continue
      }
      switch reader.nextBody() {
      case .needsMore: break more
      case .begin: must(body?.readableBytes == 0, "a body begins twice")
      case .piece(let piece):
        must(piece.readableBytes > 0, "a piece of nothing")
        body?.writeImmutableBuffer(piece)
      case .whole(let bytes):
        must(bytes.readableBytes <= wholeLimit, "\(bytes.readableBytes) octets are handed out whole")
        seen.append(.body(bytes))
        body = nil
      case .end:
        if let body { seen.append(.body(body)) }
        body = nil
      }
    }
  }
  return seen
}
