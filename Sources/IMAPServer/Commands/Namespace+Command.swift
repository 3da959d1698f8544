import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// NAMESPACE (RFC 9051 §6.3.10): one personal namespace without prefix.
  func namespace() -> Completion {
    connection.out.writeNamespace(NamespaceResponse(personal: [.init(prefix: "")]), wire)
    return .ok("NAMESPACE completed")
  }
}
