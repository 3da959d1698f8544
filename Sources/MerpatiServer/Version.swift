/// The version that `--version`, IMAP's ID and POP3's IMPLEMENTATION say.
public enum MerpatiVersion {
  public static let text = "0.1.0"
}
