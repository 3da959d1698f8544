import IMAPCore
import MailNet
import MailStore
import SearchText

/// Keys of messages, from the store or from what is kept of the last time.
extension IMAPSession {
  /// For each of `keys` a column that has all of `found`.
  func columns(
    _ keys: [OrderKey], by collation: Collation, of found: [UID], _ view: MailboxView
  ) async throws(CommandError) -> [OrderKey: KeyColumn] {
    let ref = view.mailbox.ref
    let plan = await OrderPlan.make(
      keys.map { ($0, listener.order.column($0, by: collation, of: ref)) }, found, view.told)
    var columns = plan.columns
    for load in plan.loads {
      let read = try await collect(load, by: collation, ref, view.told.count)
      for (key, column) in zip(load.keys, read) {
        let merged = await OrderPlan.merge(columns[key], column, keeping: load.isKept ? plan.told : found)
        columns[key] = merged
        if load.isKept { listener.order.put(merged, key, by: collation, of: ref) }
      }
    }
    return columns
  }

  private func collect(
    _ load: OrderPlan.Load, by collation: Collation, _ ref: MailboxRef, _ count: Int
  ) async throws(CommandError) -> [KeyColumn] {
    let needs = load.keys.reduce(into: ContentNeeds()) { $0.formUnion($1.needs) }
    let share = OrderLimits.references / max(count, 1)
    let collector = KeyCollector(
      load.keys, by: collation, references: min(max(share, OrderLimits.fewestReferences), OrderLimits.referencesOfOne))
    var rest = load.uids[...]
    var careful = 0
    while !rest.isEmpty {
      guard !isOver else { throw .connectionClosed }
      let slice = rest.prefix(careful > 0 ? 1 : settings.messagesPerVisit)
      collector.begin(slice)
      do throws(CommandError) {
        let done = try await storeCall { store throws(StoreError) in
          try await store.visit(ref, slice, needs: needs) { row throws(StoreError) in
            collector.take(row)
            return .next
          }
        }
        collector.end(slice.count)
        rest = rest.dropFirst(max(done, slice.count))
        careful = max(0, careful - slice.count)
      } catch {
        // A damaged message sorts as if its header said nothing; one bad block must not end all sorting of a mailbox.
        try passOver(error, of: .sort)
        let taken = collector.taken(of: slice)
        rest = rest.dropFirst(taken)
        if careful == 0 {
          careful = slice.count - taken
        } else {
          careful -= 1
          collector.end(slice.count)
          rest = rest.dropFirst(slice.count - taken)
        }
      }
    }
    return collector.columns
  }
}

/// Which keys have to be read, worked out off the event loop.
struct OrderPlan: Sendable {
  struct Load: Sendable {
    var keys: [OrderKey]
    var uids: [UID]
    /// The columns will be complete, so they are kept.
    var isKept: Bool
  }

  var columns: [OrderKey: KeyColumn] = [:]
  var loads: [Load] = []
  /// All messages of the mailbox.
  var told: [UID]

  /// A search that finds a few messages of many reads these alone; else all that is missing is read and kept.
  private static let fewest = 4

  static func uids(of found: IndexRanges, _ told: MailboxSnapshot) async -> [UID] {
    await offLoop { found.uids(in: told) }
  }

  static func make(_ kept: [(OrderKey, KeyColumn?)], _ found: [UID], _ told: MailboxSnapshot) async -> OrderPlan {
    await offLoop { plan(kept, found, told) }
  }

  private static func plan(_ kept: [(OrderKey, KeyColumn?)], _ found: [UID], _ told: MailboxSnapshot) -> OrderPlan {
    var plan = OrderPlan(told: IndexRanges(0..<told.count).uids(in: told))
    for (key, column) in kept {
      plan.columns[key] = column
      let wanted = column?.missing(found) ?? found
      guard !wanted.isEmpty else { continue }
      let all = column?.missing(plan.told) ?? plan.told
      let isKept = wanted.count * fewest >= all.count
      let uids = isKept ? all : wanted
      if let same = plan.loads.firstIndex(where: { $0.uids == uids && $0.isKept == isKept }) {
        plan.loads[same].keys.append(key)
      } else {
        plan.loads.append(Load(keys: [key], uids: uids, isKept: isKept))
      }
    }
    return plan
  }

  static func merge(
    _ old: KeyColumn?, _ new: KeyColumn, keeping uids: [UID]
  ) async -> KeyColumn {
    guard let old, old.count > 0 else { return new }
    return await offLoop { old.merging(new, keeping: uids) }
  }
}

extension IndexRanges {
  /// Of the messages in it, ascending.
  var sequenceNumbers: [UInt32] {
    var numbers: [UInt32] = []
    numbers.reserveCapacity(count)
    forEach { numbers.append(UInt32(truncatingIfNeeded: $0 + 1)) }
    return numbers
  }
}
