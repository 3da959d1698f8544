import FuzzKit

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ bytes: FuzzBytes?, _ count: Int) -> CInt {
  contentChunkFuzz(input(bytes, count))
  return 0
}
