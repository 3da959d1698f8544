// swift-tools-version: 6.2
import PackageDescription

// Fuzz targets, each a folder in Sources and a line below; scripts/fuzz runs what it finds in that folder.
//
// The rooms under test are symbolic links in Rooms: a dependency on the package above would bring its database and TLS
// along, and a dependency's targets cannot be given the flags that make the compiler note which edges were taken.

let settings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

/// Coverage for libFuzzer, and AddressSanitizer for the places that read without bounds checks.
let instrumentation = ["-sanitize=fuzzer,address"]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let x509: Target.Dependency = .product(name: "X509", package: "swift-certificates")
let asn1: Target.Dependency = .product(name: "SwiftASN1", package: "swift-asn1")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Rooms/\(name)",
    // Targets look at what is not public, too.
    swiftSettings: settings + [.unsafeFlags(instrumentation + ["-enable-testing"])])
}

/// SwiftPM has the linker look for a program's entry at NAME_main; that name is given to libFuzzer's.
func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies + ["FuzzKit", "FuzzMain", nio],
    swiftSettings: settings + [.unsafeFlags(instrumentation + ["-parse-as-library"])],
    linkerSettings: [
      .unsafeFlags(
        // gold gives up on the line tables of some targets.
        instrumentation + [
          "-use-ld=lld", "-Xlinker", "--defsym=\(name)_main=0", "-Xlinker", "--defsym=main=merpati_fuzz_main",
        ])
    ])
}

let package = Package(
  name: "merpati-fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
  ],
  targets: [
    fuzz("Canary", ["POP3Core"]),
    fuzz("MessageFuzz", ["MailFormat", "Bytes"]),
    fuzz("IndexFuzz", ["MailFormat", "Bytes"]),
    fuzz("HeaderFuzz", ["MailFormat", "Bytes"]),
    fuzz("IMAPFramerFuzz", ["IMAPCore", "Bytes"]),
    fuzz("IMAPCommandFuzz", ["IMAPCore"]),
    fuzz("IMAPResponseFuzz", ["IMAPCore", "Bytes"]),
    fuzz("URLFuzz", ["IMAPCore"]),
    fuzz("POP3Fuzz", ["POP3Core"]),
    fuzz("LMTPFuzz", ["LMTPCore", "Bytes"]),
    fuzz("DotFuzz", ["POP3Core", "LMTPCore", "Bytes"]),
    fuzz("SASLFuzz", ["SASL"]),
    fuzz("CredentialsFuzz", ["SASL"]),
    fuzz("TokenFuzz", ["SASL", "MailAuth"]),
    fuzz("AuthLineFuzz", ["AuthServer"]),
    fuzz("BinaryFuzz", ["MailFormat", "Bytes"]),
    fuzz("BytesFuzz", ["Bytes"]),
    fuzz("TransferFuzz", ["MailFormat", "Bytes"]),
    fuzz("SearchFuzz", ["IMAPServer", "SearchText", "IMAPCore", "Bytes"]),
    fuzz("POP3ResponseFuzz", ["POP3Core", "Bytes"]),
    fuzz("LMTPReplyFuzz", ["LMTPCore", "Bytes"]),
    fuzz("DeflateFuzz", ["MailNet"]),
    fuzz("PackFuzz", ["BlobStore"]),
    fuzz("ContentChunkFuzz", ["MailStoreSQL", "BlobStore"]),
    fuzz("FlagChunkFuzz", ["MailStoreSQL", "MailStore"]),
    fuzz("MboxFuzz", ["LocalMail"]),
    fuzz("MaildirFuzz", ["LocalMail"]),
    fuzz("ControlFuzz", ["MerpatiServer", "MailTransfer", "MailStore"]),

    .target(name: "FuzzMain", path: "Support/FuzzMain"),
    .target(name: "FuzzKit", dependencies: [nio], path: "Support/FuzzKit", swiftSettings: settings),

    room("IMAPCore", ["Bytes", nio]),
    room("POP3Core", ["Bytes", nio]),
    room("LMTPCore", ["Bytes", nio]),
    room("SASL", ["Bytes", nio, crypto, cryptoExtras, "CLibc"]),
    room("MailFormat", ["Bytes", nio, "CLibc"]),
    room("Bytes", [nio]),
    room("BlobStore", ["Bytes", nio, "CLibc", "CZstd", "CChecksum"]),
    room("LocalMail", ["MailFormat", "Bytes", nio, nioPosix, crypto, "CLibc"]),
    room("MailNet", ["Bytes", nio, nioPosix, nioTLS, nioSSL, logging, crypto, "CZlib", x509, asn1]),
    room("MailStore", ["SearchText", "Bytes", "MailFormat", nio]),
    room("MailClient", ["SASL", "MailNet", "Bytes", nio, nioPosix, logging, crypto]),
    room("IMAPClient", ["MailClient", "IMAPCore", "SASL", "MailNet", "MailFormat", "Bytes", nio, nioPosix, logging]),
    room("POP3Client", ["MailClient", "POP3Core", "SASL", "MailNet", "Bytes", nio, nioPosix, logging]),
    room(
      "MailTransfer",
      [
        "IMAPClient", "MailClient", "LocalMail", "MailStore", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio,
        nioPosix, logging, crypto,
      ]),
    room(
      "MailAdvice",
      [
        "IMAPClient", "POP3Client", "MailClient", "MailStore", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio,
        nioPosix, logging,
      ]),
    // Of these five only the corners that are looked at: the rest would bring half the house along.
    room("MerpatiServer", ["MailAdvice", "MailTransfer", "MailStore", nio]),
    room("IMAPServer", ["SearchText", "Bytes"]),
    room("MailAuth", ["Bytes"]),
    room("AuthServer", ["Bytes", nio]),
    room("SearchText", ["MailFormat", "Bytes", "CLibc"]),
    room("MailStoreSQL", ["BlobStore", "MailStore", nio]),
    .systemLibrary(name: "CZstd", path: "Rooms/CZstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", path: "Rooms/CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLibc", path: "Rooms/CLibc", providers: [.apt(["libcrypt-dev"])]),
    .target(name: "CChecksum", dependencies: ["CZlib"], path: "Rooms/CChecksum", linkerSettings: [.linkedLibrary("z")]),
  ]
)
