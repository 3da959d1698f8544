import BlobStore
import MailStore

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Runs a call of BlobStore; its errors become the store's.
func blobCall<Value: ~Copyable>(_ body: () throws(BlobError) -> Value) throws(StoreError) -> Value {
  do throws(BlobError) { return try body() } catch { throw StoreError(error) }
}

extension StoreError {
  init(_ error: BlobError) {
    switch error {
    case .io(let operation, let path, let errno): self = .io(operation: operation, path: path, errno: errno)
    case .corrupt(let what): self = .corrupt(what: what)
    case .missing(let what): self = .corrupt(what: "\(what) is missing")
    }
  }
}
