// The input is a byte that says which end reads, and what the other end of the control socket sends. Invariants:
// - Any line is read as a request or refused; what was read, written again, is read as the same.
// - However an answer is cut, the same messages, pieces and reply come out.
// - What is handed out as events, written as frames, is read as the same events.
import Foundation
import FuzzKit
import MailStore
import MailTransfer
import NIOCore

@testable import MerpatiServer

func controlFuzz(_ given: ByteBuffer) {
  var sent = given
  let setup = sent.takeByte()
  if setup & 1 == 0 { checkRequest(sent) } else { checkAnswer(sent, UInt64(setup)) }
}

private func checkRequest(_ line: ByteBuffer) {
  guard let request = try? ControlCoding.decodedRequest(line) else { return }
  guard let written = try? JSONEncoder().encode(request) else { return must(false, "a request cannot be written") }
  guard let again = try? ControlCoding.decodedRequest(ByteBuffer(bytes: written)) else {
    return must(false, "a request, written, is not read: \(String(decoding: written, as: UTF8.self))")
  }
  must(sorted(again) == sorted(request), "a request changes on its way")
}

/// Sets and dictionaries have no order of their own.
private func sorted(_ value: some Encodable) -> Data? {
  let encoder = JSONEncoder()
  encoder.outputFormatting = .sortedKeys
  return try? encoder.encode(value)
}

private enum Seen: Equatable {
  case begin(UID, Int)
  case piece(ByteBuffer)
  case end
  case damaged(UID, StoreError)
  case reply(Data?)
  case broken
}

private func checkAnswer(_ sent: ByteBuffer, _ seed: UInt64) {
  let whole = answer([sent])
  let cut = answer(sent.cut(seed: seed))
  must(joined(whole) == joined(cut), "cut, the answer is\n\(cut)\nwhole\n\(whole)")

  var frames = ByteBuffer()
  for seen in whole {
    switch seen {
    case .begin(let uid, let size): ReadFrame.write(.begin(uid, size: size), to: &frames)
    case .piece(let bytes): ReadFrame.write(.piece(bytes), to: &frames)
    case .end: ReadFrame.write(.end, to: &frames)
    case .damaged(let uid, let error): ReadFrame.write(.damaged(uid, error), to: &frames)
    case .reply, .broken: break
    }
  }
  let events = whole.filter { if case .reply = $0 { false } else { $0 != .broken } }
  must(joined(answer([frames])) == joined(events), "what was read, written, is read as something else")
}

private func answer(_ chunks: [ByteBuffer]) -> [Seen] {
  var reader = ControlAnswerReader()
  var seen: [Seen] = []
  for chunk in chunks {
    reader.feed(chunk)
    do throws(ControlAnswerReader.Malformed) {
      while let event = try reader.next() {
        switch event {
        case .message(.begin(let uid, let size)): seen.append(.begin(uid, size))
        case .message(.piece(let bytes)): seen.append(.piece(bytes))
        case .message(.end): seen.append(.end)
        case .message(.damaged(let uid, let error)): seen.append(.damaged(uid, error))
        case .reply(let line):
          seen.append(
            .reply((try? JSONDecoder().decode(ControlReply.self, from: Data(line.readableBytesView))).flatMap(sorted)))
          return seen
        }
      }
    } catch {
      seen.append(.broken)
      return seen
    }
  }
  return seen
}

/// Where a piece is cut says nothing.
private func joined(_ events: [Seen]) -> [Seen] {
  var result: [Seen] = []
  for event in events {
    if case .piece(let more) = event, case .piece(var bytes)? = result.last {
      bytes.writeImmutableBuffer(more)
      result[result.count - 1] = .piece(bytes)
    } else {
      result.append(event)
    }
  }
  return result
}
