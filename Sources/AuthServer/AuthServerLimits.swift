import NIOCore

/// Every limit of the socket on which an MTA has passwords checked.
public enum AuthServerLimits {
  /// Octets of a line with its end; the protocol expects that so many fit.
  public static let line = 16 << 10
  /// Parameters of a line.
  public static let parameters = 64
  /// Exchanges of one connection that are under way: an MTA asks for many of its clients over one.
  public static let exchanges = 1000
  /// An exchange whose client has said nothing for so long is forgotten: an MTA does not tell when its client hangs up.
  static let silence = TimeAmount.minutes(5)
}
