import Foundation

/// All that the adviser has to say: what was measured, what each way costs, which one to take. Its JSON is stable: fields
/// may be added, none is renamed, and `format` rises when one goes.
public struct Report: Sendable, Hashable, Codable {
  public static let currentFormat = 1

  public var format: Int
  public var measurement: Measurement
  public var wishes: Wishes
  public var assumptions: ModelAssumptions
  public var ways: [WayCosts]
  public var recommendation: Recommendation

  /// Reckons and recommends; asks nobody.
  public init(_ measurement: Measurement, wishes: Wishes = Wishes(), assumptions: ModelAssumptions = ModelAssumptions())
  {
    let model = CostModel(measurement, assumptions)
    format = Self.currentFormat
    self.measurement = measurement
    self.wishes = wishes
    self.assumptions = assumptions
    ways = model.costs()
    recommendation = Adviser(measurement, wishes, model, ways).recommend()
  }

  /// Pretty-printed, keys sorted, a line end at the end.
  public func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  public func costs(of way: Way) -> WayCosts? { ways.first { $0.way == way } }
}
