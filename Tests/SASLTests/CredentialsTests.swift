import Testing

@testable import SASL

/// Made with libxcrypt and hashlib by way of Python, of "pässwörd 42".
private let hashes = [
  "{SHA512-CRYPT}$6$rounds=5000$saltstring12$"
    + "I8rlHx9ZLeqSf0mvodo7DkoFjrKDCSk5k9qXCpteon26qmGV.IzWsDlkGyB1ByymGYEu5rWVYrTHecxlxsS4J.",
  "{sha512-crypt}$6$abcdefgh$1PHrcc3WuAQCvOLAYaNGTTVaJuiNZnwCXYKTYApDYz.symskv0meaouL8E4cT21ssamuS/f5ZRPV4hqsrNMOO0",
  "{SHA256-CRYPT}$5$abcdefgh$I2dYC2FfcZG0r4GRjlMB3RJ0j0JHLNz1SZximeOCFb4",
  "{BLF-CRYPT}$2y$05$abcdefghijklmnopqrstuuKqdvpeEa2u9ossfzPbwSJ6az7CJEWmy",
  "{CRYPT}$2b$05$abcdefghijklmnopqrstuuKqdvpeEa2u9ossfzPbwSJ6az7CJEWmy",
  "{CRYPT}$y$j9T$abcdefghijklmnop$QrKC73nJmw8Oqe646dzCZ2.fF9emcffdiwXEp9/SRP5",
  "$y$j9T$abcdefghijklmnop$QrKC73nJmw8Oqe646dzCZ2.fF9emcffdiwXEp9/SRP5",
  "{MD5-CRYPT}$1$abcdefgh$QBahREPL96fiNu3k5fLcv/",
  "{CRYPT}abzp3RXJm5gNA",
  "{SSHA}NutAAIwXAIS+Uxd+TB5YB3zLb/VzYWx0c2FsdA==",
  "{SHA}22RxuNtJC7Ur/IOLqRfpGHRxCyY=",
  "{SSHA256}Qac4YnifijP5YyT93k07o0DyMiJJ86DP6Zl/PutyGP1zYWx0c2FsdA==",
  "{SHA256}S7UcUi/t73Q7oEwums6rca62776u3pxifzukoJ36MXM=",
  "{SSHA512}VninWQ3e1l8+icRNjfMHBnNN3/s/SM0Ub/sWASUjJehY3wEpckp5hNFtyuX2/M0rR02SQaZ190VrKNMojv1ZzHNhbHRzYWx0",
  "{SHA512}iWRcVrJkm73wwtV8OlAgAfJAx14JzPQkztYLR/LzP38hHwilfhhq370Z9GZhbt6Vmk1SQ3uH1A6q2THNbSJuSg==",
]

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct CredentialsTests {
  @Test("Imported hashes match their password and ask for an upgrade", arguments: hashes)
  func imported(_ text: String) throws {
    let credentials = try Credentials(stored: text)
    #expect(credentials.verify(bytes("pässwörd 42")) == .matchesNeedsUpgrade)
    #expect(credentials.verify(bytes("passwörd 42")) == .wrong)
    #expect(!credentials.servesSCRAM)
    #expect(credentials.keys(for: .sha256) == nil)
    #expect(try Credentials(stored: credentials.stored) == credentials)
  }

  @Test(
    "Stored forms that cannot be used are refused by name",
    arguments: [
      ("{PLAIN}secret", CredentialsError.readablePassword), ("{cleartext}secret", .readablePassword),
      ("{ARGON2ID}$argon2id$v=19$m=65536", .unknownScheme("ARGON2ID")), ("{}x", .unknownScheme("")),
      ("secret", .malformed("CRYPT")), ("{SHA512-CRYPT}$5$abcdefgh$I2dYC2FfcZG0r4GRj", .malformed("SHA512-CRYPT")),
      ("{BLF-CRYPT}secret", .malformed("BLF-CRYPT")), ("{CRYPT}*0", .malformed("CRYPT")),
      ("{CRYPT}!abzp3RXJm5gNA", .malformed("CRYPT")), ("{SSHA}AAAA", .malformed("SSHA")),
      ("{SSHA}not base64!", .malformed("SSHA")),
      ("{SHA}NutAAIwXAIS+Uxd+TB5YB3zLb/VzYWx0c2FsdA==", .malformed("SHA")),
      ("{SCRAM-SHA-256}4096,AAAA", .malformed("SCRAM-SHA-256")), ("{SCRAM-SHA-1}", .malformed("SCRAM-SHA-1")),
    ])
  func refused(_ text: String, _ error: CredentialsError) {
    #expect(throws: error) { try Credentials(stored: text) }
  }

  @Test func `New credentials serve both SCRAM mechanisms and survive being stored`() throws {
    let credentials = try Credentials.make(password: bytes("rahasia"))
    #expect(credentials.servesSCRAM)
    let stored = credentials.stored
    #expect(stored.hasPrefix("{SCRAM-SHA-256}15000,"))
    #expect(stored.contains(" {SCRAM-SHA-1}15000,"))
    let read = try Credentials(stored: stored)
    #expect(read == credentials)
    #expect(read.verify(bytes("rahasia")) == .matches)
    #expect(read.verify(bytes("Rahasia")) == .wrong)
    #expect(read.verify(bytes("rahasia"), iterations: 20_000) == .matchesNeedsUpgrade)
    #expect(read.verify([]) == .wrong)
    let again = try Credentials.make(password: bytes("rahasia"), iterations: 1)
    #expect(again.keys(for: .sha256)?.iterations == 4096)
    #expect(again.keys(for: .sha256)?.salt != again.keys(for: .sha1)?.salt)
  }

  @Test(
    "Keys made by others are understood",
    arguments: [
      "{SCRAM-SHA-256}15000,MDEyMzQ1Njc4OWFiY2RlZg==,8utdwiGJEjSEq+kTCUWOX8x0GXO5koCayvYEnOgAa0k=,"
        + "BsY2UjCh7FMBJtiXsvc58nOEXAaA6642gg1FDvDJkcY=",
      // by "doveadm pw"
      "{SCRAM-SHA-256}4096,52SEs0wV4diQgCiIguW9+A==,pVgmIE2TpvtGXhiUzBCUzkS2/Z5HlyDWJ86mgYjMlOk=,"
        + "/XHiPTdTdutitnRPe6brYRgxr/oh8WPTdEBurO9i848=",
      "{SCRAM-SHA-1}4096,MDEyMzQ1Njc4OWFiY2RlZg==,rPJ7iPSJer+bnDr9PCWJNRIA68M=,rcHjOyVIe4jH3uaHsm83lApzxlo=",
    ])
  func foreignKeys(_ text: String) throws {
    let credentials = try Credentials(stored: text)
    #expect(credentials.verify(bytes("pencil")) == .matchesNeedsUpgrade)
    #expect(credentials.verify(bytes("pencils")) == .wrong)
    #expect(!credentials.servesSCRAM)
    #expect(credentials.stored == text)
  }

  @Test func `Different spellings of one password are the same`() throws {
    let credentials = try Credentials.make(password: bytes("Caf\u{E9}\u{A0}\u{2168}"), iterations: 4096)
    #expect(credentials.verify(bytes("Cafe\u{301} IX"), iterations: 4096) == .matches)
  }

  @Test(
    "Passwords that not every client can send are not taken",
    arguments: [
      ([], CredentialsError.emptyPassword), ([0xC2, 0xAD], .emptyPassword), ([0x61, 0x00], .unsuitablePassword),
      ([0x61, 0x0A], .unsuitablePassword), ([0xE9], .unsuitablePassword),
      ([UInt8](repeating: 0x61, count: SASLLimits.password + 1), .passwordTooLong),
    ] as [([UInt8], CredentialsError)])
  func unsuitable(_ password: [UInt8], _ error: CredentialsError) {
    #expect(throws: error) { try Credentials.make(password: password) }
  }

  @Test func `No password matches nothing`() throws {
    #expect(try Credentials(stored: "") == Credentials.none)
    #expect(Credentials.none.verify(bytes("x")) == .wrong)
    #expect(Credentials.none.verify([]) == .wrong)
    #expect(Credentials.decoy(iterations: 4096).verify(bytes("x")) == .wrong)
  }

  @Test func `Equality takes every byte into account`() {
    #expect(ConstantTime.equal([], []))
    #expect(ConstantTime.equal([1, 2, 3], [1, 2, 3]))
    #expect(!ConstantTime.equal([1, 2, 3], [1, 2]))
    for index in 0..<8 {
      var other = [UInt8](repeating: 7, count: 8)
      other[index] = 8
      #expect(!ConstantTime.equal([UInt8](repeating: 7, count: 8), other))
    }
  }
}

@Suite struct SASLprepTests {
  @Test(
    "The examples of RFC 4013 §3 and its neighbours",
    arguments: [
      ("I\u{AD}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{AA}", "a"), ("\u{2168}", "IX"),
      ("\u{7}", nil), ("\u{627}\u{31}", nil), ("\u{627}\u{31}\u{628}", "\u{627}\u{31}\u{628}"),
      ("\u{627}a\u{628}", nil),
      ("a\u{A0}b\u{3000}c", "a b c"), ("x\u{200B}y", "x y"), ("\u{FEFF}", ""), ("", ""),
      ("e\u{301}", "\u{E9}"), ("\u{1F54A}", "\u{1F54A}"), ("\u{E000}", nil), ("\u{FFFD}", nil), ("\u{202E}x", nil),
      ("\u{7F}", nil), ("\u{85}", nil), ("\u{E0041}", nil), ("鳩 merpati", "鳩 merpati"),
    ] as [(String, String?)])
  func examples(_ input: String, _ output: String?) {
    let prepared = SASLprep.prepare(input)
    #expect(prepared.map { Array($0.unicodeScalars) } == output.map { Array($0.unicodeScalars) })
    #expect(SASLprep.prepare(Array(input.utf8)) == output.map { Array($0.utf8) })
  }

  @Test func `Preparing twice changes nothing`() {
    for input in ["Caf\u{E9}\u{A0}\u{2168}", "\u{FB01}x\u{BD}", "\u{1E9B}\u{323}"] {
      let once = SASLprep.prepare(input)
      #expect(once != nil)
      #expect(once.flatMap { SASLprep.prepare($0) } == once)
    }
  }

  @Test(
    "The tables are in order",
    arguments: [
      StringprepTables.mappedToNothing, StringprepTables.nonASCIISpace, StringprepTables.prohibited,
      StringprepTables.rightToLeft, StringprepTables.leftToRight,
    ])
  func tables(_ table: [UInt32]) {
    #expect(table.count % 2 == 0)
    for index in stride(from: 0, to: table.count, by: 2) {
      #expect(table[index] <= table[index + 1])
      if index > 0 { #expect(table[index - 1] < table[index]) }
    }
  }
}
