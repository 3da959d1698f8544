import Bytes
import IMAPCore
import MailNet
import NIOCore

/// The languages of the server's texts (RFC 5255 §3).
public enum SessionLanguage: String, Sendable, Hashable, CaseIterable {
  case english = "en"
  case indonesian = "id"
  /// English for people who did not choose (RFC 2277 §4.5): what every session begins with (RFC 5255 §3.1).
  case neutral = "i-default"

  var tag: String { rawValue }

  /// The first of the ranges that a language here answers to (RFC 5255 §3.2, RFC 4647 §3.4). Nil: none.
  /// - preferred: what `default` and `*` mean.
  static func matching(_ ranges: [LanguageRange], preferred: SessionLanguage) -> SessionLanguage? {
    for range in ranges {
      guard !range.isAny else { return preferred }
      for tag in range.candidates {
        if let language = SessionLanguage(rawValue: tag) { return language }
        // The tag until 1989, which is still sent.
        if tag == "in" { return .indonesian }
      }
    }
    return nil
  }

  /// A prefix of a namespace for people, its separator with it; nil: it is as good as it stands (RFC 5255 §3.4).
  func translation(ofNamespace prefix: String) -> String? {
    guard self == .indonesian, prefix.hasSuffix("/") else { return nil }
    return IndonesianTexts.namespaces[String(prefix.dropLast())].map { $0 + "/" }
  }

  func text(_ sentence: Sentence) -> String {
    switch self {
    case .english, .neutral: sentence.english
    case .indonesian: sentence.text(IndonesianTexts.text)
    }
  }
}

extension IMAPSession {
  /// LANGUAGE (RFC 5255 §3.2).
  func language(_ command: LanguageCommand) throws(CommandError) -> Completion {
    guard !command.ranges.isEmpty else {
      connection.out.writeLanguage(SessionLanguage.allCases.map(\.tag))
      return .ok("LANGUAGE completed")
    }
    var ranges: [LanguageRange] = []
    for text in command.ranges {
      // RFC 5255 §3.2: the administrator's choice.
      let range = text.equalsIgnoringASCIICase("default") ? .any : LanguageRange(text)
      guard let range else { throw .bad("Not a language range") }
      ranges.append(range)
    }
    guard let chosen = SessionLanguage.matching(ranges, preferred: settings.language) else {
      throw .no(nil, "This language is not spoken here")
    }
    connection.out.writeLanguage([chosen.tag])
    // RFC 5255 §3.2: at once, from the response on.
    language = chosen
    return .ok("LANGUAGE completed")
  }

  /// An untagged status response in the session's language. No other way leads a text to the client.
  func say(_ condition: ResponseCondition, _ code: ResponseCode? = nil, _ sentence: Sentence) {
    connection.out.writeUntagged(condition, code, language.text(sentence))
  }

  /// A tagged one.
  func say(_ tag: String, _ condition: ResponseCondition, _ code: ResponseCode? = nil, _ sentence: Sentence) {
    connection.out.writeTagged(tag, condition, code, language.text(sentence))
  }

  /// `+ text`.
  func sayContinuation(_ sentence: Sentence = "go on") {
    connection.out.writeContinuation(language.text(sentence))
  }
}
