import Bytes

/// What a person is told (resp-text of RFC 9051 §9): a text of the server's own and what stands in its gaps.
///
/// It is written as a string literal, `"At most \(limit) tags"`, and knows its text apart from its gaps, `At most %1 tags`,
/// so that another language has one entry for it (RFC 5255 §3).
public struct Sentence: Hashable, Sendable, ExpressibleByStringInterpolation {
  /// In English, with `%1`, `%2` … where the gaps are.
  public let template: String
  public let gaps: [Sentence]

  public init(stringLiteral value: String) { self.init(value) }

  /// A text that came as it is.
  public init(_ text: String) {
    template = text
    gaps = []
  }

  /// A text that another room has made: the numbers in it become gaps.
  public init(said text: String) {
    var made = StringInterpolation(literalCapacity: text.utf8.count, interpolationCount: 0)
    let words = text.split(separator: " ", omittingEmptySubsequences: false)
    for (index, word) in words.enumerated() {
      if index > 0 { made.appendLiteral(" ") }
      if !word.isEmpty, word.utf8.allSatisfy(\.isASCIIDigit) {
        made.appendInterpolation(Sentence(String(word)))
      } else {
        made.appendLiteral(String(word))
      }
    }
    self.init(stringInterpolation: made)
  }

  public init(stringInterpolation: StringInterpolation) {
    template = stringInterpolation.template
    gaps = stringInterpolation.gaps
  }

  public struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var template = ""
    fileprivate var gaps: [Sentence] = []

    public init(literalCapacity: Int, interpolationCount: Int) { template.reserveCapacity(literalCapacity) }

    public mutating func appendLiteral(_ literal: String) { template += literal }

    public mutating func appendInterpolation(_ gap: Sentence) {
      gaps.append(gap)
      template += "%\(gaps.count)"
    }

    public mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      appendInterpolation(Sentence(String(describing: value)))
    }
  }

  public var english: String { text { _ in nil } }

  /// - translate: a template's text in another language; nil: it stays English.
  public func text(_ translate: (String) -> String?) -> String {
    let template = translate(template) ?? template
    guard !gaps.isEmpty else { return template }
    var result = ""
    var rest = template[...]
    while let mark = rest.firstIndex(of: "%") {
      result += rest[..<mark]
      let next = rest.index(after: mark)
      if next < rest.endIndex, let number = rest[next].wholeNumberValue, gaps.indices.contains(number - 1) {
        result += gaps[number - 1].text(translate)
        rest = rest[rest.index(after: next)...]
      } else {
        result += "%"
        rest = rest[next...]
      }
    }
    return result + rest
  }
}
