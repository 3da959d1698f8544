import Bytes
import NIOCore

extension ResponseReader {
  /// thread-data = "THREAD" [SP 1*thread-list], read without recursion: nesting has no limit (RFC 5256 §4), the line has.
  mutating func threadLine() throws(ResponseSyntaxError) -> [ThreadMember] {
    var members: [ThreadMember] = []
    // Parents whose children come in parentheses of their own.
    var parents: [Int] = []
    spaces()
    while cursor.take(UInt8(ascii: "(")) {
      if let parent = parents.last { members[parent].children += 1 }
      var isNested = false
      var previous: Int?
      repeat {
        spaces()
        if cursor.peek == UInt8(ascii: "(") {
          // Siblings whose parent is not there begin a list at once.
          if previous == nil { previous = try append(0, to: &members) }
          parents.append(previous ?? 0)
          isNested = true
        } else {
          let start = cursor.position
          let number = try number32("a message number")
          guard number > 0 else { throw error("There is no message 0", at: start) }
          if let previous { members[previous].children = 1 }
          previous = try append(number, to: &members)
          spaces()
        }
      } while !isNested && cursor.peek != UInt8(ascii: ")")
      if isNested { continue }
      cursor.position += 1
      spaces()
      while !parents.isEmpty, cursor.take(UInt8(ascii: ")")) {
        parents.removeLast()
        spaces()
      }
    }
    guard parents.isEmpty, cursor.isAtEnd else { throw expected("a thread") }
    return plain(members)
  }

  /// What says no more than a plainer form is given that form: `((3))` is `(3)`, and `(1 ((2)(3)))` is `(1 (2)(3))`.
  private func plain(_ members: [ThreadMember]) -> [ThreadMember] {
    guard members.contains(where: { $0.number == 0 }) else { return members }
    var result: [ThreadMember] = []
    for member in members where member.number > 0 || member.children != 1 {
      if member.number == 0, let parent = result.last, parent.children == 1 {
        result[result.count - 1].children = member.children
      } else {
        result.append(member)
      }
    }
    return result
  }

  private func append(_ number: UInt32, to members: inout [ThreadMember]) throws(ResponseSyntaxError) -> Int {
    guard members.count < limits.numbers else { throw error("More than \(limits.numbers) numbers in THREAD") }
    members.append(ThreadMember(number))
    return members.count - 1
  }
}
