import IMAPCore
import MailNet
import MailStore
import NIOCore

extension IMAPSession {
  /// RFC 6203 §4, §6: relevancy is of what was matched loosely.
  func checkRelevancy(_ command: SearchCommand, isSortedByIt: Bool = false) throws(CommandError) {
    let isAsked = isSortedByIt || command.returns?.contains(.relevancy) == true
    if isAsked, !command.key.hasFuzzy { throw .bad("RELEVANCY needs FUZZY") }
  }

  /// Of each message found, 1 to 100: whether the texts stand in it as they were given, by their words, or loosely. Several
  /// texts count alike; messages found without any have the highest.
  func relevancy(
    of found: IndexRanges, _ command: SearchCommand, _ view: MailboxView
  ) async throws(CommandError) -> [UID: UInt8] {
    let compiler = try SearchCompiler(command, view, isRev2: isRev2, comparator.collation, now: settings.now())
    var sums: [Int: (sum: Int, count: Int)] = [:]
    for text in command.key.fuzzyTexts {
      var candidates = found
      for (strictness, score) in [(SearchCompiler.Strictness.loose, 40), (.words, 30), (.exact, 30)] {
        guard !candidates.isEmpty, let node = compiler.text(text, strictness) else { break }
        candidates = try await find(node.simplified(), view, in: candidates)
        candidates.forEach { index in
          sums[index, default: (0, 0)].sum += score
          if strictness == .loose { sums[index, default: (0, 0)].count += 1 }
        }
      }
    }
    var scores: [UID: UInt8] = [:]
    found.forEach { index in
      let (sum, count) = sums[index] ?? (100, 1)
      scores[view.told[index].uid] = UInt8(clamping: sum / max(count, 1))
    }
    return scores
  }
}

extension KeyColumn {
  /// The highest come first.
  static func relevancy(_ scores: [UID: UInt8]) -> KeyColumn {
    var column = KeyColumn()
    for (uid, score) in scores.sorted(by: { $0.key < $1.key }) { column.append(uid, UInt64(255 - score)) }
    return column
  }
}
