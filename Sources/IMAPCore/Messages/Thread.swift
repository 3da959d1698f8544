import Bytes
public import NIOCore

/// `THREAD` and `UID THREAD` (RFC 5256 §3).
public struct ThreadCommand: Hashable, Sendable {
  public enum Algorithm: UInt8, Hashable, Sendable, CaseIterable {
    case orderedSubject, references

    var keyword: StaticString {
      switch self {
      case .orderedSubject: "ORDEREDSUBJECT"
      case .references: "REFERENCES"
      }
    }

    static let table = KeywordTable<Algorithm>(allCases.map { ($0.keyword, $0) })
  }

  /// The answer holds UIDs. (Sequence sets in `key` are sequence numbers all the same.)
  public var uid: Bool
  public var algorithm: Algorithm
  /// In upper case. Which are known is the server's business (BADCHARSET).
  public var charset: String
  public var key: SearchKey

  public init(uid: Bool, algorithm: Algorithm, charset: String = "UTF-8", key: SearchKey) {
    self.uid = uid
    self.algorithm = algorithm
    self.charset = charset
    self.key = key
  }

  /// Its search alone.
  public var search: SearchCommand { SearchCommand(uid: uid, charset: charset, key: key) }
}

/// A message of a THREAD response, or a parent that is not there. A response lists them parents first: behind each stand
/// its children, each with all that is below it. So threads of any depth are one flat array.
public struct ThreadMember: Hashable, Sendable {
  /// Sequence number or UID; 0 for a parent that is not in the mailbox, or was not searched for. It has two children or
  /// more and is no only child, as nothing else can be written.
  public var number: UInt32
  /// Direct ones.
  public var children: UInt32
  public init(_ number: UInt32, children: UInt32 = 0) {
    self.number = number
    self.children = children
  }
}

extension CommandReader {
  /// thread = "THREAD" SP thread-alg SP charset 1*(SP search-key)
  mutating func threadCommand(uid: Bool) throws(IMAPSyntaxError) -> ThreadCommand {
    try space()
    let range = try atomRange("a threading algorithm")
    guard let algorithm = ThreadCommand.Algorithm.table.value(for: bytes(range)) else {
      throw error("Unknown threading algorithm \(excerpt(range))", at: range.lowerBound)
    }
    let (charset, key) = try searchCriteria()
    return ThreadCommand(uid: uid, algorithm: algorithm, charset: charset, key: key)
  }
}

extension CommandPrinter {
  mutating func print(_ command: ThreadCommand) {
    space()
    word(command.algorithm.keyword)
    space()
    printCriteria(command.charset, command.key)
  }
}

/// Writes the threads of a THREAD response piece by piece, without recursion: a thread may be as deep as it is long.
public struct ThreadWriter: Sendable {
  private let members: [ThreadMember]
  private var next = 0
  /// For each open parent with several children, how many of them are still to come, the one begun included.
  private var open: [UInt32] = []
  /// A parenthesis is open and a number stands in it.
  private var follows = false
  private var isOpen = false

  public init(_ members: [ThreadMember]) { self.members = members }

  public var isDone: Bool { next == members.count }

  /// Writes `count` more members at most, with the parentheses that belong to them.
  public mutating func write(_ count: Int, into buffer: inout ByteBuffer) {
    let end = Swift.min(next + count, members.count)
    while next < end {
      let member = members[next]
      next += 1
      if !isOpen {
        buffer.writeInteger(UInt8(ascii: "("))
        isOpen = true
        follows = false
      }
      if member.number > 0 {
        if follows { buffer.writeSpace() }
        buffer.writeDecimal(member.number)
        follows = true
      }
      if member.children > 1 {
        // thread-members [SP thread-nested]
        if follows { buffer.writeSpace() }
        open.append(member.children)
        isOpen = false
      } else if member.children == 0 || next == members.count {
        buffer.writeInteger(UInt8(ascii: ")"))
        isOpen = false
        while let left = open.last {
          if left > 1, next < members.count {
            open[open.count - 1] = left - 1
            break
          }
          open.removeLast()
          buffer.writeInteger(UInt8(ascii: ")"))
        }
      }
    }
  }
}

extension ByteBuffer {
  /// `* THREAD`, and the space before the threads; they follow by a `ThreadWriter`, then the line's end.
  public mutating func writeThreadStart(isEmpty: Bool) { writeStaticString(isEmpty ? "* THREAD" : "* THREAD ") }

  /// `* THREAD (2)(3 6 (4 23)(44 7 96))` (RFC 5256 §4).
  public mutating func writeThread(_ members: [ThreadMember]) {
    writeThreadStart(isEmpty: members.isEmpty)
    var writer = ThreadWriter(members)
    writer.write(members.count, into: &self)
    writeCRLF()
  }
}
