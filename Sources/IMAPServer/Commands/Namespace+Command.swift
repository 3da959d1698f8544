import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// NAMESPACE (RFC 9051 §6.3.10): the personal namespace has no prefix.
  func namespace() -> Completion {
    let namespaces = listener.namespaces
    func entry(_ prefix: String) -> [NamespaceResponse.Entry] {
      prefix.isEmpty ? [] : [.init(prefix: prefix, translation: language.translation(ofNamespace: prefix))]
    }
    connection.out.writeNamespace(
      NamespaceResponse(
        personal: [.init(prefix: "")], otherUsers: entry(namespaces.others), shared: entry(namespaces.everybodys)), wire
    )
    return .ok("NAMESPACE completed")
  }
}
