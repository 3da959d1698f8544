import POP3Core

extension POP3Session {
  /// LANG (RFC 6856 §3.2).
  func lang(_ command: POP3Command) {
    guard case .lang(let range) = command else { return }
    guard let range else {
      withOutput { POP3Response.languages(language, into: &$0) }
      return
    }
    guard let chosen = POP3Language.matching(range, preferred: settings.language) else {
      return err(.languageUnknown)
    }
    language = chosen
    ahead.discard()
    withOutput { POP3Response.languageChanged(to: chosen, into: &$0) }
  }
}
