import MailFormat
import MailStore

/// Single sort keys, read where they stand in SQLite's memory: SORT looks at tens of thousands.
extension SQLMessageRow {
  var sentDate: Int64? {
    if let remade { return remade.sentDate }
    return SortKeys.sentDate(in: column(.sort))
  }

  func withSortText<Result>(_ text: SortText, _ body: (RawSpan) -> Result) -> Result {
    if let remade { return body(SortKeys(remade)[text].utf8Span.span.bytes) }
    return body(SortKeys.text(text, in: column(.sort)).bytes)
  }
}
