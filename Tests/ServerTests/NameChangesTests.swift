import IMAPCore
import MailStore
import MailTestKit
import Testing

@testable import IMAPServer

/// Names of an account and the rules by which they change, in the plainest form.
private struct PlainNames {
  struct Entry {
    var name: String
    var isSelectable = true
  }

  var entries: [Int64: Entry] = [1: Entry(name: "INBOX")]
  var subscribed: Set<String> = []
  private var last: Int64 = 1

  private func id(_ name: String) -> Int64? { entries.first { $0.value.name == name }?.key }

  private mutating func add(_ name: String, isSelectable: Bool = true) {
    last += 1
    entries[last] = Entry(name: name, isSelectable: isSelectable)
  }

  private mutating func addParents(_ name: String) {
    for parent in ListPlan.parents(of: name).reversed() where id(parent) == nil { add(parent) }
  }

  mutating func create(_ name: String) -> Bool {
    if let old = id(name) {
      guard entries[old]?.isSelectable == false else { return false }
      entries[old]?.isSelectable = true
      return true
    }
    addParents(name)
    add(name)
    return true
  }

  mutating func delete(_ name: String) -> Bool {
    guard name != "INBOX", let old = id(name) else { return false }
    let hasChildren = entries.values.contains { $0.name.hasPrefix(name + "/") }
    if hasChildren, entries[old]?.isSelectable == false { return false }
    entries[old] = nil
    if hasChildren { add(name, isSelectable: false) }
    return true
  }

  mutating func rename(_ old: String, _ new: String) -> Bool {
    guard id(old) != nil, id(new) == nil, !new.hasPrefix(old + "/") else { return false }
    addParents(new)
    if old == "INBOX" {
      add(new)
      return true
    }
    for (id, entry) in entries where entry.name == old || entry.name.hasPrefix(old + "/") {
      entries[id]?.name = new + entry.name.dropFirst(old.count)
    }
    return true
  }

  var listing: MailboxListing {
    MailboxListing(
      mailboxes: entries.map { id, entry in
        MailboxInfo(
          id: MailboxID(id), name: entry.name, isSelectable: entry.isSelectable,
          isSubscribed: subscribed.contains(entry.name), uidValidity: UInt32(id))
      }.sorted { $0.name < $1.name },
      subscribedWithoutMailbox: subscribed.filter { id($0) == nil })
  }

  var before: [MailboxID: NameChanges.Before] {
    Dictionary(
      uniqueKeysWithValues: entries.map { id, entry in
        (
          MailboxID(id),
          .init(name: entry.name, isSelectable: entry.isSelectable, isSubscribed: subscribed.contains(entry.name))
        )
      })
  }
}

@Suite struct NameChangesTests {
  private static let names = ["a", "b", "c", "a/x", "a/y", "a/x/1", "b/x", "c/y", "d/z"]

  /// Several changes by others between two looks, one of the client's own among them or not.
  @Test func `A client that carries out the lines knows all names and subscriptions`() {
    for seed in 0..<20_000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var names = PlainNames()
      for _ in 0..<random.int(0...8) { _ = change(&names, &random) }
      var holds: [String: NameChanges.Held] = [:]
      for (id, entry) in names.entries where entry.isSelectable { holds[entry.name] = .known(MailboxID(id)) }
      var subscribed = names.subscribed
      let before = names.before
      let lone = Set(names.listing.subscribedWithoutMailbox)
      let count = random.int(1...5)
      let ownIndex = random.flip() ? random.int(0...count - 1) : -1
      var own: OwnNameChange?
      for index in 0..<count {
        let made = change(&names, &random)
        if index == ownIndex { own = made }
      }
      own?.apply(to: &holds)
      if case .subscription(let name, let isOn) = own {
        if isOn { subscribed.insert(name) } else { subscribed.remove(name) }
      }
      let filters = NotifyFilters([NotifyGroup(.personal, [.mailboxName, .subscriptionChange])])
      let changes = NameChanges(from: before, lone: lone, to: names.listing, filters, own: own)
      for line in changes.lines {
        if let old = line.oldName { OwnNameChange.move(old, to: line.name, in: &holds) }
        let attributes = changes.attributes(of: line.name, hasChildren: [])
        holds[line.name] = attributes.contains(.nonExistent) ? nil : holds[line.name] ?? .new
        if attributes.contains(.subscribed) { subscribed.insert(line.name) } else { subscribed.remove(line.name) }
      }
      let selectable = names.entries.filter(\.value.isSelectable)
      #expect(Set(holds.keys) == Set(selectable.values.map(\.name)), "seed \(seed): \(changes.lines)")
      // What it takes for another mailbox is told anew: all of it, by STATUS. So is what is new under a name that was there.
      for (id, entry) in selectable where !changes.retold.contains(MailboxID(id)) {
        let known = before[MailboxID(id)]?.isSelectable == true
        if !known, before.values.contains(where: { $0.name == entry.name }) { continue }
        #expect(holds[entry.name] == (known ? .known(MailboxID(id)) : .new), "seed \(seed): \(entry.name)")
      }
      #expect(subscribed == names.subscribed, "seed \(seed): \(changes.lines)")
      // What a client has done alone it is not told, its parents apart.
      if own != nil, count == 1 {
        #expect(!changes.lines.contains { $0.oldName != nil }, "seed \(seed): \(changes.lines)")
      }
    }
  }

  private func change(_ names: inout PlainNames, _ random: inout SeededRandom) -> OwnNameChange? {
    let name = random.pick(Self.names)
    switch random.int(0...4) {
    case 0: return names.create(name) ? .create(name) : nil
    case 1: return names.delete(name) ? .delete(name) : nil
    case 2, 3:
      let old = random.int(0...9) == 0 ? "INBOX" : random.pick(Self.names)
      return names.rename(old, name) ? .rename(old, to: name) : nil
    default:
      let isOn = random.flip()
      if isOn { names.subscribed.insert(name) } else { names.subscribed.remove(name) }
      return .subscription(name, isOn)
    }
  }

  /// The client has made `b` of `a`; before the server looks, another makes `c` of it and creates a new `b`.
  @Test func `A new mailbox under the name that the client gave to an old one is told as what it is`() throws {
    var names = PlainNames()
    _ = names.create("a")
    let before = names.before
    for (old, new) in [("a", "b"), ("b", "c")] { _ = names.rename(old, new) }
    _ = names.create("b")
    let filters = NotifyFilters([NotifyGroup(.personal, [.mailboxName])])
    let changes = NameChanges(from: before, lone: [], to: names.listing, filters, own: .rename("a", to: "b"))
    for name in ["b", "c"] {
      let info = try #require(names.listing.mailboxes.first { $0.name == name })
      #expect(changes.retold.contains(info.id), "\(name)")
    }
  }

  /// Another creates `a`; the client puts mail there, not knowing of it; then that one is moved on, and a new `a` made.
  @Test func `A name under which the client put mail before it knew of it is told whole`() throws {
    let filters = NotifyFilters([NotifyGroup(.personal, [.messageNew, .messageExpunge, .mailboxName])])
    let notify = Notify(selected: nil, filters: filters, watch: nil)
    var names = PlainNames()
    notify.adopt(names.listing)
    _ = names.create("a")
    let assigned = AssignedUIDs(destination: MailboxID(2), uidValidity: 2, assigned: [1])
    notify.noteOwn(assigned, in: MailboxName("a"), MailboxID(2))
    _ = names.rename("a", "b")
    _ = names.create("a")
    notify.adopt(notify.comparison(with: names.listing, limit: .max).result())
    let info = try #require(names.listing.mailboxes.first { $0.name == "a" })
    #expect(notify.statusItems(info, tellsModSeqs: false).contains(.messages))
    // Once.
    notify.adopt(notify.comparison(with: names.listing, limit: .max).result())
    #expect(notify.statusItems(info, tellsModSeqs: false).isEmpty)
  }

  @Test func `Nothing is told of a mailbox under a name its client has not heard, and all of it with the name`() {
    let filters = NotifyFilters([NotifyGroup(.personal, [.messageNew, .messageExpunge, .flagChange, .mailboxName])])
    let notify = Notify(selected: nil, filters: filters, watch: nil)
    var info = MailboxInfo(id: MailboxID(7), name: "A", uidValidity: 22)
    notify.adopt(MailboxListing(mailboxes: [info], subscribedWithoutMailbox: []))
    (info.name, info.messages, info.uidNext, info.unseen) = ("B", 1, 2, 1)
    // The look comes between the RENAME and the note of it.
    #expect(notify.statusItems(info, tellsModSeqs: false).isEmpty)
    let names = notify.comparison(with: MailboxListing(mailboxes: [info], subscribedWithoutMailbox: []), limit: 10)
      .result()
    notify.adopt(names)
    #expect(names.changes.lines == [.init(name: "B", oldName: "A")])
    #expect(notify.statusItems(info, tellsModSeqs: false) == [.messages, .uidNext, .uidValidity, .unseen])
  }

  @Test func `One line tells of a renamed mailbox and all below it`() {
    var names = PlainNames()
    for name in ["a/x/1", "a/y"] { _ = names.create(name) }
    let before = names.before
    _ = names.rename("a", "b")
    let filters = NotifyFilters([NotifyGroup(.personal, [.mailboxName])])
    let changes = NameChanges(from: before, lone: [], to: names.listing, filters, own: nil)
    #expect(changes.lines == [.init(name: "b", oldName: "a")])
    let own = NameChanges(from: before, lone: [], to: names.listing, filters, own: .rename("a", to: "b"))
    #expect(own.lines.isEmpty)
  }

  @Test func `A tree of names moves what a list of them does`() {
    for seed in 0..<2000 as Range<UInt64> {
      var random = SeededRandom(seed: seed)
      var list: [String: NameChanges.Held] = [:]
      for (number, name) in Self.names.enumerated() where random.flip() {
        list[name] = .known(MailboxID(Int64(number + 1)))
      }
      var tree = NameTree(list)
      for _ in 0..<8 {
        let (old, new) = (random.pick(Self.names), random.pick(Self.names))
        switch random.int(0...3) {
        case 0:
          list[old] = .new
          tree.insert(old, .new)
        case 1:
          list[old] = nil
          tree.remove(old)
        default:
          OwnNameChange.move(old, to: new, in: &list)
          _ = tree.move(old, to: new)
        }
        #expect(tree.names == list, "seed \(seed)")
      }
    }
  }

  /// With a walk over all names for each of them this would not end.
  @Test(.timeLimit(.minutes(5)))
  func `Thousands of renames at once cost what they move`() {
    var before: [MailboxID: NameChanges.Before] = [:]
    var listing = MailboxListing(mailboxes: [])
    for number in 0..<30_000 {
      let id = MailboxID(Int64(number + 1))
      before[id] = .init(name: "a\(number)", isSelectable: true, isSubscribed: false)
      listing.mailboxes.append(
        MailboxInfo(id: id, name: number < 15_000 ? "b\(number)" : "a\(number)", uidValidity: UInt32(number + 1)))
    }
    let filters = NotifyFilters([NotifyGroup(.personal, [.mailboxName])])
    let all = NameChanges(from: before, lone: [], to: listing, filters, own: nil)
    #expect(all.lines.count == 15_000 && !all.isTooMuch)
    #expect(all.lines.allSatisfy { $0.oldName != nil })
    #expect(NameChanges(from: before, lone: [], to: listing, filters, own: nil, limit: 2000).isTooMuch)
  }

  /// What is told must not depend on where it is worked out.
  @Test(arguments: Transcript.all(of: "imap").filter { $0.name.contains("notify") || $0.name.contains("metadata") })
  func `Names that are compared off the loop are told as others are`(transcript: Transcript) async throws {
    let run = try TranscriptRun(transcript, server: .imap)
    run.settings["names-on-loop"] = "1"
    try await run.play()
  }

  @Test func `Filters add up, and a subtree ends at a level`() {
    let filters = NotifyFilters([
      NotifyGroup(.subtree([MailboxName("a")]), [.messageNew, .messageExpunge]),
      NotifyGroup(.mailboxes([MailboxName("a/x/")]), .mailboxName), NotifyGroup(.subscribed, .subscriptionChange),
    ])
    #expect(
      filters.events("a/x", isSubscribed: true) == [.messageNew, .messageExpunge, .mailboxName, .subscriptionChange])
    #expect(filters.events("a", isSubscribed: false) == [.messageNew, .messageExpunge])
    #expect(filters.events("ab", isSubscribed: false) == [])
    #expect(filters.events("a/x/1", isSubscribed: false) == [.messageNew, .messageExpunge])
  }
}
