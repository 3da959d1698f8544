public import MailStore
import SearchIndex
public import SearchText

extension SQLStore {
  public func narrow(_ terms: [SearchTerm], in ref: MailboxRef) async throws(StoreError) -> [Narrowed?] {
    let none: [Narrowed?] = terms.map { _ in nil }
    guard let indexer, indexer.generation != nil, terms.contains(where: IndexReader.isUseful) else { return none }
    let maps = contentMaps
    return try await readers.run { reader throws(StoreError) in
      try reader.narrow(terms, ref, indexer, maps) ?? none
    }
  }

  /// How far the search index is; nil: there is none.
  public func searchIndexStatus() -> SearchIndexStatus? { indexer?.status() }
}

extension Reader {
  /// Nil: the index cannot be asked.
  fileprivate func narrow(
    _ terms: [SearchTerm], _ ref: MailboxRef, _ indexer: SearchIndexer, _ maps: ContentMaps
  ) throws(StoreError) -> [Narrowed?]? {
    guard let generation = indexer.generation else { return nil }
    let map = try db.reading { () throws(StoreError) in try contentMap(ref, maps) }
    do throws(IndexError) {
      if index?.generation != generation {
        index = nil
        index = (generation, try IndexReader(indexer.place))
      }
      guard let index = index?.reader else { return nil }
      var result: [Narrowed?] = []
      for term in terms {
        // One term at a time, a bounded number of them: a verdict takes an octet for each message.
        guard result.count < StoreLimits.narrowedTerms, IndexReader.isUseful(term) else {
          result.append(nil)
          continue
        }
        let verdicts = try index.verdicts([term], account: ref.account.rawValue, contents: map.contents)
        result.append(
          verdicts.first.flatMap { $0 }.map {
            Narrowed(
              yes: map.ranges(of: TermVerdict.yes.rawValue, in: $0), no: map.ranges(of: TermVerdict.no.rawValue, in: $0)
            )
          })
      }
      return result
    } catch {
      self.index = nil
      indexer.report(error, generation: generation)
      return nil
    }
  }
}
