import IMAPCore
import MailStore

/// The sample of sequence numbers and UIDs that comes with QRESYNC (RFC 7162 §3.2.5.2).
struct SequenceMatch {
  private let numbers: Ranges
  private let uids: Ranges

  init(_ match: Resync.Match) {
    numbers = Ranges(match.numbers)
    uids = Ranges(match.uids)
  }

  /// The UID up to which the client knows of every expunge; 0: it knows of none.
  ///
  /// As many messages up to a UID as the client counts are the very messages that it knows, so a pair that agrees proves all
  /// the ones before it: the last is found by halving, however long the sample is.
  func agreed(with told: MailboxSnapshot) -> UID {
    var low: UInt64 = 0
    var high = numbers.count
    while low < high {
      let middle = (low + high) / 2
      if agrees(middle, told) { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? 0 : uids.number(low - 1)
  }

  private func agrees(_ place: UInt64, _ told: MailboxSnapshot) -> Bool {
    let number = Int(numbers.number(place))
    return number <= told.count && told[number - 1].uid == uids.number(place)
  }

  /// Ascending numbers by their place.
  private struct Ranges {
    private var starts: [UInt64] = []
    private let elements: [MessageSet.Element]
    private(set) var count: UInt64 = 0

    init(_ set: MessageSet) {
      elements = set.elements
      for element in set.elements {
        starts.append(count)
        count += UInt64(element.last - element.first) + 1
      }
    }

    func number(_ place: UInt64) -> UInt32 {
      var low = 0
      var high = starts.count
      while high - low > 1 {
        let middle = (low + high) / 2
        if starts[middle] <= place { low = middle } else { high = middle }
      }
      return elements[low].first + UInt32(place - starts[low])
    }
  }
}
