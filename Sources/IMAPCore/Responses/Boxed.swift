/// An optional kept on the heap: for what is large and mostly absent, so that arrays of its owner stay small.
public enum Boxed<Value> {
  case none
  indirect case some(Value)

  @inlinable
  public init(_ value: Value?) {
    if let value { self = .some(value) } else { self = .none }
  }

  @inlinable public var value: Value? {
    if case .some(let value) = self { value } else { nil }
  }
}

extension Boxed: Equatable where Value: Equatable {}
extension Boxed: Hashable where Value: Hashable {}
extension Boxed: Sendable where Value: Sendable {}
