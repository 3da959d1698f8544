import IMAPCore

/// Keywords that may stand in a FETCH response (RFC 9051 §9, flag-keyword).
public enum StoreKeyword {
  public static func isValid(_ name: String) -> Bool {
    name.utf8.count <= TransferLimits.keyword && Keyword.isValid(name)
  }

  /// With `_` for what cannot stand there; nil if nothing is left.
  static func valid(_ name: String) -> String? {
    let text = String(
      name.unicodeScalars.map { scalar -> Character in
        let character = Character(scalar)
        return Keyword.isValid(String(character)) ? character : "_"
      })
    return isValid(text) ? text : nil
  }
}
