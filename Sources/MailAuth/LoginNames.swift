import Bytes

/// Account names are kept with ASCII letters in lower case, so case makes no other person.
enum LoginNames {
  static func areSame(_ one: String, _ other: String) -> Bool {
    one.utf8.map(\.asciiLowercased) == other.utf8.map(\.asciiLowercased)
  }
}
