public import NIOCore

/// What a session may do in one go before the others of its loop have their turn: so many commands, and but for the first
/// none is begun when its time is over.
public struct TurnBudget: Sendable {
  private var commands: Int
  private var hasBegun = false
  private let end: NIODeadline

  public init(commands: Int, time: TimeAmount = NetLimits.turn) {
    self.commands = commands
    end = .now() + time
  }

  /// False: it is the others' turn.
  public mutating func takeOne() -> Bool {
    guard commands > 0, !hasBegun || NIODeadline.now() < end else { return false }
    commands -= 1
    hasBegun = true
    return true
  }
}
