/// Bounds of the dictionaries that packs are compressed with.
public enum DictionaryLimits {
  /// Octets of a dictionary. Twice as many bring 1 % of the mail more, and take as much memory more.
  public static let octets = 110 << 10
  /// A dictionary takes no more than this part of a pack, so that small packs have small ones.
  public static let shareOfPack: Int64 = 32
  /// Octets below which a dictionary is of no use.
  public static let leastOctets = 1 << 10
  /// Octets of mail that one is trained from: there must be as many, and no more are looked at. With small packs, half a pack.
  public static let sampleOctets = 4 << 20
  /// Octets of one message that are looked at: its header and some text. Of more, few messages fill the room, and what zstd makes of
  /// those is worse, sometimes much worse.
  public static let sampleMessage = 4 << 10
  /// Messages that one is trained from.
  public static let leastSamples = 32
  public static let mostSamples = 16_384
  /// What it must save of the samples' compressed octets, in percent, or it is not used.
  public static let leastGain = 4
  /// zstd's level with a dictionary, where that without one is higher. At 3 messages take 3 % less, and a fifth more time than
  /// without a dictionary; at 2 it is a fifth less.
  public static let level: Int32 = 2
  /// Octets of a dictionary that is read.
  public static let believedOctets = 1 << 20
  /// Dictionaries kept ready for reading in memory, about a quarter of a megabyte each: two years of them. With one more than
  /// that in use at once a head is decoded for every message that is read.
  public static let kept = 8
  /// Octets from the beginning of a pack in which its dictionary is looked for.
  public static let searchedOctets: Int64 = 4 << 20
  /// Seconds after which a dictionary that was nowhere is looked for again.
  public static let patience = 10
  /// Days after which new packs get another dictionary, trained from what mail there is then.
  public static let days: Int64 = 90
  /// Seconds that the date of a dictionary may lie ahead of the clock; beyond that it is replaced as an old one is.
  public static let ahead: Int64 = 86_400
  /// Seconds after which training is tried again where it came to nothing.
  public static let retry: Int64 = 6 * 3600
  /// Seconds after which it is looked again whether there is mail enough.
  public static let retryForMail: Int64 = 600
}
