import IMAPCore
import MailNet
import NIOCore

extension IMAPSession {
  /// ID (RFC 2971 §3.1). What the client says goes to the log, and nowhere else (§3.3).
  func identify(_ command: IDCommand) -> Completion {
    if let parameters = command.parameters {
      let words = parameters.fields.map { "\($0.name)=\($0.value ?? "NIL")" }
      let printable = words.joined(separator: " ").unicodeScalars.prefix(settings.clientIDLogged).map {
        $0.properties.generalCategory == .control ? " " : $0
      }
      var text = ""
      text.unicodeScalars.append(contentsOf: printable)
      tally.client = text
    }
    connection.out.writeID(
      IDParameters([.init("name", settings.productName), .init("version", settings.productVersion)]), wire)
    return .ok("ID completed")
  }
}
