import MailStore
import Synchronization

/// Who still needs what was expunged. A pin holds, in its account, everything expunged after the pin was taken.
final class PinRegistry: Sendable {
  private let pins = Mutex<[Int64: [ModSeq: Int]]>([:])

  func add(_ account: AccountID, after modSeq: ModSeq) {
    pins.withLock { $0[account.rawValue, default: [:]][modSeq, default: 0] += 1 }
  }

  func remove(_ account: AccountID, after modSeq: ModSeq) {
    pins.withLock { pins in
      guard let count = pins[account.rawValue]?[modSeq] else { return }
      pins[account.rawValue]?[modSeq] = count > 1 ? count - 1 : nil
      if pins[account.rawValue]?.isEmpty == true { pins[account.rawValue] = nil }
    }
  }

  private let heldPacks = Atomic(0)

  /// While a backup copies packs none is removed. Asked and changed on the writer's thread between two commits, released
  /// from anywhere.
  func holdPacks() { heldPacks.wrappingAdd(1, ordering: .acquiringAndReleasing) }
  func releasePacks() { heldPacks.wrappingSubtract(1, ordering: .acquiringAndReleasing) }
  var packsAreHeld: Bool { heldPacks.load(ordering: .acquiring) > 0 }

  /// What was expunged above this MODSEQ must stay; nil: nothing must.
  func floor(_ account: Int64) -> ModSeq? { pins.withLock { $0[account]?.keys.min() } }
}
