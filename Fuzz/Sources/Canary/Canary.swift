// Invariant: none that holds. It says that no input is a POP3 command, and must be proved wrong within seconds, with no
// seed and no dictionary: that shows that crashes are seen, and that the rooms tell libFuzzer how far an input got.
import FuzzKit
import NIOCore
import POP3Core

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ bytes: FuzzBytes?, _ count: Int) -> CInt {
  let line = input(bytes, count)
  must((try? POP3Command.parse(line)) == nil, "the canary sings")
  return 0
}
