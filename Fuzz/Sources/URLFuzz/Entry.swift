import FuzzKit

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ bytes: FuzzBytes?, _ count: Int) -> CInt {
  urlFuzz(input(bytes, count))
  return 0
}
