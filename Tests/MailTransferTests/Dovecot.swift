import Foundation

/// Debian's Dovecot over a Maildir, one session at a time, as a judge of what lies in it.
struct Dovecot {
  private static let binaries = "/usr/lib/dovecot"

  static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: binaries + "/imap") }

  func imap(_ maildir: String, _ commands: String) throws -> String {
    try run("imap", maildir, commands + "z LOGOUT\r\n")
  }

  func pop3(_ maildir: String, _ commands: String) throws -> String {
    try run("pop3", maildir, commands + "QUIT\r\n")
  }

  private func run(_ binary: String, _ maildir: String, _ input: String) throws -> String {
    // Dovecot serves no mail of root.
    let user = getuid() == 0 ? 65534 : getuid()
    let folder = maildir + "-dovecot"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let config = """
      base_dir = \(folder)
      log_path = \(folder)/log
      mail_location = maildir:\(maildir)
      first_valid_uid = 1
      first_valid_gid = 0

      """
    try Data(config.utf8).write(to: URL(fileURLWithPath: folder + "/dovecot.conf"))
    try Data(input.utf8).write(to: URL(fileURLWithPath: folder + "/input"))
    let parent = (maildir as NSString).deletingLastPathComponent
    try shell("chown -R \(user) '\(maildir)' '\(folder)'; chmod -R u+rwX '\(maildir)'; chmod o+x '\(parent)'")
    let drop = getuid() == 0 ? "setpriv --reuid=\(user) --regid=\(user) --clear-groups " : ""
    let environment = "USER=nobody HOME='\(folder)'"
    return try shell(
      "cat '\(folder)/input' | \(environment) timeout 20 \(drop)\(Self.binaries)/\(binary) -c '\(folder)/dovecot.conf' 2>>'\(folder)/log'"
    )
  }

  @discardableResult
  private func shell(_ command: String) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", command]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let bytes = try output.fileHandleForReading.readToEnd() ?? Data()
    process.waitUntilExit()
    return String(decoding: bytes, as: UTF8.self)
  }
}
