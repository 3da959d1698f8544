// The input is what stands behind the checksum of a chunk of flags: a program that is wrong makes right checksums.
// Invariants:
// - Any bytes can be decoded; UIDs ascend from 1 and none is above the chunk's last, MODSEQs have 63 bits.
// - What comes out says the same after `encoded` and `decoded`, and is another chunk's nowhere.
import FuzzKit
import MailStore
import NIOCore

@testable import MailStoreSQL

func flagChunkFuzz(_ given: ByteBuffer) {
  let last: UID = 4_000_000_000
  guard let entries = given.withUnsafeReadableBytes({ FlagChunk.decoded($0, last: last) }) else { return }
  must(!entries.isEmpty, "a chunk without messages")
  must(entries[0].uid > 0 && entries[entries.count - 1].uid <= last, "a UID out of bounds")
  must(zip(entries, entries.dropFirst()).allSatisfy { $0.uid < $1.uid }, "UIDs do not ascend")
  must(entries.allSatisfy { $0.modSeq <= UInt64(Int64.max) && $0.flags.rawValue < 32 }, "a number out of bounds")
  let ref = MailboxRef(account: AccountID(1), mailbox: MailboxID(2))
  let bytes = FlagChunk.encoded(entries, at: FlagChunk.Place(ref, last: last))
  let again = bytes.withUnsafeBytes { FlagChunk.decoded($0, at: FlagChunk.Place(ref, last: last)) }
  must(again == entries, "a chunk changes when it is kept")
  let other = bytes.withUnsafeBytes { FlagChunk.decoded($0, at: FlagChunk.Place(ref, last: last - 1)) }
  must(other == nil, "a chunk is believed in another place")
}
