import IMAPCore
import MailTestKit
import NIOCore
import Testing

@testable import IMAPServer

/// A message as threading sees it.
private struct Letter {
  var id: String?
  var references: [String] = []
  /// Base subject.
  var subject = ""
  var isReply = false
  var date = 0
}

/// The text of RFC 5256 §3, REFERENCES, put down step by step without a thought for time.
private final class PlainThreads {
  final class Node {
    let message: Int?
    var children: [Node] = []
    weak var parent: Node?
    init(_ message: Int?) { self.message = message }

    func isBelow(_ other: Node) -> Bool { self === other || parent?.isBelow(other) == true }
    func unlink() {
      parent?.children.removeAll { $0 === self }
      parent = nil
    }
    func adopt(_ child: Node) {
      child.unlink()
      child.parent = self
      children.append(child)
    }
  }

  private let letters: [Letter]
  private let root = Node(nil)
  /// Keeps nodes alive that nothing else holds.
  private var all: [Node] = []

  init(_ letters: [Letter]) { self.letters = letters }

  func members() -> [ThreadMember] {
    var table: [String: Node] = [:]
    let messages = letters.indices.map { Node($0) }
    all = messages
    for (index, letter) in letters.enumerated() {
      if let id = letter.id, table[id] == nil { table[id] = messages[index] }
    }
    for (index, letter) in letters.enumerated() {
      var last: Node?
      for id in letter.references {
        let node = table[id] ?? Node(nil)
        if table[id] == nil { all.append(node) }
        table[id] = node
        if let last, node.parent == nil, !last.isBelow(node) { last.adopt(node) }
        last = node
      }
      let message = messages[index]
      if let last, message.parent === last { continue }
      message.unlink()
      if let last, !last.isBelow(message) { last.adopt(message) }
    }
    root.children = prune(all.filter { $0.parent == nil }, isTop: true)
    for child in root.children where child.message == nil { child.children.sort(by: isEarlier) }
    root.children.sort(by: isEarlier)
    mergeSubjects()
    sort(root)
    var result: [ThreadMember] = []
    for child in root.children { write(child, &result) }
    return result
  }

  private func prune(_ nodes: [Node], isTop: Bool) -> [Node] {
    nodes.flatMap { node -> [Node] in
      node.children = prune(node.children, isTop: false)
      if node.message != nil { return [node] }
      if node.children.isEmpty { return [] }
      return isTop && node.children.count > 1 ? [node] : node.children
    }
  }

  private func key(_ node: Node) -> (Int, Int) {
    let message =
      node.message ?? node.children.compactMap(\.message).min { (letters[$0].date, $0) < (letters[$1].date, $1) }
    return message.map { (letters[$0].date, $0) } ?? (0, 0)
  }

  private func isEarlier(_ left: Node, _ right: Node) -> Bool { key(left) < key(right) }

  private func sort(_ node: Node) {
    for child in node.children { sort(child) }
    node.children.sort(by: isEarlier)
  }

  private func first(_ node: Node) -> Letter { letters[node.message ?? node.children[0].message ?? 0] }

  private func mergeSubjects() {
    var table: [String: Node] = [:]
    for child in root.children {
      let letter = first(child)
      guard !letter.subject.isEmpty else { continue }
      guard let there = table[letter.subject] else {
        table[letter.subject] = child
        continue
      }
      guard there.message != nil else { continue }
      if child.message == nil || (first(there).isReply && !letter.isReply) { table[letter.subject] = child }
    }
    for child in root.children where root.children.contains(where: { $0 === child }) {
      let letter = first(child)
      guard !letter.subject.isEmpty, let there = table[letter.subject], there !== child else { continue }
      root.children.removeAll { $0 === child }
      if there.message == nil, child.message == nil {
        there.children += child.children
      } else if there.message == nil {
        there.children.append(child)
      } else if letter.isReply, !first(there).isReply {
        there.children.append(child)
      } else {
        let dummy = Node(nil)
        root.children.removeAll { $0 === there }
        dummy.children = [child, there]
        root.children.append(dummy)
        table[letter.subject] = dummy
      }
    }
  }

  private func write(_ node: Node, _ result: inout [ThreadMember]) {
    result.append(ThreadMember(node.message.map { UInt32($0 + 1) } ?? 0, children: UInt32(node.children.count)))
    for child in node.children { write(child, &result) }
  }
}

@Suite struct ThreadsTests {
  private func hash(_ text: String, _ kind: UInt64) -> UInt64 {
    var value: UInt64 = 0xCBF2_9CE4_8422_2325 &+ kind
    for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return value | 4
  }

  private func threads(_ letters: [Letter]) -> Threads {
    var hashes: [UInt64] = []
    var rows: [Range<Int>] = []
    for letter in letters {
      let start = hashes.count
      hashes.append(letter.id.map { hash($0, 1) } ?? 0)
      hashes.append(SubjectHash.make(letter.subject.isEmpty ? nil : hash(letter.subject, 2), isReply: letter.isReply))
      hashes += letter.references.map { hash($0, 1) }
      rows.append(start..<hashes.count)
    }
    var order = StableOrder(count: letters.count)
    order.sort(by: letters.map { UInt64($0.date) })
    return Threads(
      numbers: letters.indices.map { UInt32($0 + 1) }, order: order.order, hashes: hashes, rows: rows)
  }

  private func references(_ letters: [Letter]) -> String { text(threads(letters).byReferences()) }

  private func text(_ members: [ThreadMember]) -> String {
    var buffer = ByteBuffer()
    buffer.writeThread(members)
    return String(String(buffer: buffer).dropFirst("* THREAD ".utf8.count).dropLast(1))
  }

  // MARK: One rule each

  @Test func `An answer is its original's child`() {
    #expect(references([Letter(id: "a"), Letter(id: "b", references: ["a"])]) == "(1 2)")
    // Whichever came first.
    #expect(references([Letter(id: "b", references: ["a"]), Letter(id: "a")]) == "(2 1)")
    #expect(
      references([Letter(id: "a"), Letter(references: ["a"], date: 2), Letter(references: ["a"], date: 1)])
        == "(1 (3)(2))")
  }

  @Test func `References that are not there are pruned, and siblings stay together`() {
    #expect(references([Letter(id: "c", references: ["a", "b"])]) == "(1)")
    #expect(references([Letter(references: ["a"]), Letter(references: ["a"])]) == "((1)(2))")
    // The grandfather's place is taken by what is below.
    #expect(references([Letter(references: ["a", "b"]), Letter(references: ["a", "c"])]) == "((1)(2))")
    #expect(
      references([Letter(id: "a"), Letter(references: ["a", "b"]), Letter(references: ["a", "b"])]) == "(1 (2)(3))")
    // A dummy's only child, which is itself a dummy with two, gives one dummy.
    #expect(references([Letter(references: ["a", "b"]), Letter(references: ["a", "b"])]) == "((1)(2))")
  }

  @Test func `An identifier that two messages have is the first one's`() {
    let letters = [Letter(id: "a"), Letter(id: "a"), Letter(id: "b", references: ["a"])]
    #expect(references(letters) == "(1 3)(2)")
  }

  @Test func `Messages without an identifier are nobody's parents`() {
    #expect(references([Letter(id: nil), Letter(id: nil)]) == "(1)(2)")
  }

  @Test func `A link stands, but the message's own word is better`() {
    // 1 says that c is b's child; 2, c itself, says it is a's.
    let letters = [
      Letter(id: "d", references: ["b", "c"]), Letter(id: "c", references: ["a"]), Letter(id: "a"), Letter(id: "b"),
    ]
    #expect(references(letters) == "(3 2 1)(4)")
    // Without references it has no parent, whatever others say.
    #expect(references([Letter(references: ["b", "c"]), Letter(id: "c"), Letter(id: "b")]) == "(2 1)(3)")
    // Of what two others say the first counts.
    #expect(
      references([Letter(references: ["a", "x"]), Letter(references: ["b", "x"]), Letter(id: "a"), Letter(id: "b")])
        == "(3 (1)(2))(4)")
  }

  @Test func `Loops are not made`() {
    #expect(references([Letter(id: "a", references: ["a"])]) == "(1)")
    #expect(references([Letter(id: "a", references: ["b"]), Letter(id: "b", references: ["a"])]) == "(2 1)")
    #expect(
      references([
        Letter(id: "a", references: ["c"]), Letter(id: "b", references: ["a"]), Letter(id: "c", references: ["b"]),
      ]) == "(3 1 2)")
    #expect(references([Letter(references: ["a", "b", "a", "b"]), Letter(id: "a")]) == "(2 1)")
  }

  @Test func `Threads of one subject are merged`() {
    // An answer without references becomes a child of what it answers.
    #expect(
      references([Letter(id: "a", subject: "x"), Letter(id: "b", subject: "x", isReply: true, date: 1)]) == "(1 2)")
    #expect(
      references([Letter(id: "b", subject: "x", isReply: true), Letter(id: "a", subject: "x", date: 1)]) == "(2 1)")
    // Two originals, or two answers, become siblings.
    #expect(references([Letter(subject: "x"), Letter(subject: "x")]) == "((1)(2))")
    #expect(references([Letter(subject: "x", isReply: true), Letter(subject: "x", isReply: true)]) == "((1)(2))")
    // A second original joins the dummy, and so does an answer.
    #expect(references([Letter(subject: "x"), Letter(subject: "x"), Letter(subject: "x")]) == "((1)(2)(3))")
    #expect(
      references([Letter(subject: "x"), Letter(subject: "x"), Letter(subject: "x", isReply: true)]) == "((1)(2)(3))")
    // No subject is no subject in common.
    #expect(references([Letter(), Letter()]) == "(1)(2)")
  }

  @Test func `Dummies of one subject become one`() {
    let letters = [
      Letter(references: ["p"], subject: "x"), Letter(references: ["q"], subject: "x", date: 1),
      Letter(references: ["p"], subject: "y", date: 2), Letter(references: ["q"], subject: "z", date: 3),
      Letter(subject: "x", date: 4),
    ]
    #expect(references(letters) == "((1)(2)(3)(4)(5))")
  }

  @Test func `A thread's first message decides where it stands`() {
    let letters = [
      Letter(id: "a", date: 5), Letter(id: "b", date: 3), Letter(references: ["b"], date: 1),
      Letter(references: ["c"], date: 9), Letter(references: ["c"], date: 4),
    ]
    #expect(references(letters) == "(2 3)((5)(4))(1)")
  }

  @Test func `Ordered subjects have no grandchildren`() {
    let letters = [
      Letter(subject: "b", date: 5), Letter(subject: "a", date: 3), Letter(subject: "b", isReply: true, date: 7),
      Letter(subject: "b", date: 6), Letter(subject: "", date: 1), Letter(subject: "", date: 9),
      Letter(subject: "a", date: 3),
    ]
    #expect(text(threads(letters).byOrderedSubject()) == "(5 6)(2 7)(1 (4)(3))")
  }

  // MARK: All of them

  @Test func `The same as the RFC's steps taken one by one`() {
    var random = SeededRandom(seed: 21)
    for round in 0..<5_000 {
      let ids = (0..<Int.random(in: 1...8, using: &random)).map { String($0) }
      let letters = (0..<Int.random(in: 1...10, using: &random)).map { _ in
        Letter(
          id: Int.random(in: 0...5, using: &random) == 0 ? nil : ids.randomElement(using: &random),
          references: (0..<Int.random(in: 0...4, using: &random)).compactMap { _ in ids.randomElement(using: &random) },
          subject: ["", "x", "y"].randomElement(using: &random) ?? "", isReply: Bool.random(using: &random),
          date: Int.random(in: 0...4, using: &random))
      }
      let ours = threads(letters).byReferences()
      let theirs = PlainThreads(letters).members()
      #expect(ours == theirs, "round \(round): \(text(ours)) \(text(theirs)) \(letters)")
      guard ours == theirs else { return }
      #expect(Set(ours.map(\.number)).subtracting([0]).count == letters.count)
    }
  }

  // MARK: Hostile mail

  /// Two long chains, then messages that each claim to hang below the end of the other: naively every look for a loop
  /// climbs all the way, 10^9 steps.
  @Test(.timeLimit(.minutes(5))) func `Deep threads that change all the time end soon`() {
    let count = 30_000
    var letters = [
      Letter(references: (0..<count).map { "x\($0)" }), Letter(references: (0..<count).map { "y\($0)" }),
      Letter(references: ["x0", "y0"]),
    ]
    for index in 1..<count { letters.append(Letter(id: "y\(index)", references: ["x\(count - 1 - index % 10)"])) }
    let members = threads(letters).byReferences()
    #expect(members.count(where: { $0.number > 0 }) == letters.count)
  }

  @Test(.timeLimit(.minutes(5))) func `A thread of fifty thousand generations`() {
    let count = 50_000
    let letters = (0..<count).map { Letter(id: "\($0)", references: $0 > 0 ? ["\($0 - 1)"] : [], date: count - $0) }
    let members = threads(letters).byReferences()
    #expect(members.count == count && members.allSatisfy { $0.children <= 1 })
    #expect(members.first?.number == 1 && members.last?.number == UInt32(count))
    let backwards = threads(letters.reversed()).byReferences()
    #expect(backwards.count == count && backwards.first?.number == UInt32(count))
  }
}
