/// The keys of SORT that are texts, in the order in which `SortKeys` has them.
public enum SortText: UInt8, Sendable, Hashable, CaseIterable {
  case baseSubject, from, to, cc, displayFrom, displayTo
}

extension SortKeys {
  public subscript(text: SortText) -> String {
    switch text {
    case .baseSubject: baseSubject
    case .from: from
    case .to: to
    case .cc: cc
    case .displayFrom: displayFrom
    case .displayTo: displayTo
    }
  }
}
