import Bytes
public import NIOCore

/// `CANCELUPDATE` (RFC 5267 §4.3.5).
public struct CancelUpdateCommand: Hashable, Sendable {
  /// Of the searches; never empty.
  public var tags: [String]
  public init(_ tags: [String]) { self.tags = tags }
}

extension CommandReader {
  /// "CANCELUPDATE" 1*(SP quoted)
  mutating func cancelUpdateCommand() throws(IMAPSyntaxError) -> CancelUpdateCommand {
    var tags: [String] = []
    repeat {
      try space()
      guard tags.count < limits.listElements else { throw error("More than \(limits.listElements) tags") }
      guard cursor.peek == .quote else { throw expected("a quoted tag") }
      tags.append(try text(try wireString("a tag"), "tag"))
    } while cursor.peek == .space
    return CancelUpdateCommand(tags)
  }
}

extension CommandPrinter {
  mutating func print(_ command: CancelUpdateCommand) {
    for tag in command.tags {
      space()
      buffer.writeQuoted(tag)
    }
  }
}

/// Numbers that come into a result at a place, or go from there (RFC 5267 §4.3.2). Place 0: wherever they belong.
public struct ContextChange: Hashable, Sendable {
  public var position: Int
  public var numbers: [UInt32]
  public init(_ position: Int, _ numbers: [UInt32]) {
    self.position = position
    self.numbers = numbers
  }
}

extension ByteBuffer {
  /// `* ESEARCH (TAG "a") UID REMOVEFROM (0 4) ADDTO (1 7:8)`; nothing if nothing changes. They count in this order.
  public mutating func writeESearchUpdate(
    tag: String, _ correlator: ByteBuffer? = nil, uid: Bool, removed: [ContextChange] = [],
    added: [ContextChange] = []
  ) {
    guard !removed.isEmpty || !added.isEmpty else { return }
    writeStaticString("* ESEARCH (TAG ")
    writeQuoted(tag)
    if let correlator { writeImmutableBuffer(correlator) }
    writeStaticString(")")
    if uid { writeStaticString(" UID") }
    writeChanges(" REMOVEFROM (", removed)
    writeChanges(" ADDTO (", added)
    writeCRLF()
  }

  private mutating func writeChanges(_ word: StaticString, _ changes: [ContextChange]) {
    guard !changes.isEmpty else { return }
    writeStaticString(word)
    for (index, change) in changes.enumerated() {
      if index > 0 { writeSpace() }
      writeDecimal(change.position)
      writeSpace()
      writeOrderedSet(change.numbers)
    }
    writeStaticString(")")
  }
}
