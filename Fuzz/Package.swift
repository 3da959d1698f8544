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
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let cryptoExtras: Target.Dependency = .product(name: "CryptoExtras", package: "swift-crypto")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(
    name: name, dependencies: dependencies, path: "Rooms/\(name)",
    swiftSettings: settings + [.unsafeFlags(instrumentation)])
}

/// SwiftPM has the linker look for a program's entry at NAME_main; that name is given to libFuzzer's.
func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .executableTarget(
    name: name, dependencies: dependencies + ["FuzzKit", "FuzzMain", nio],
    swiftSettings: settings + [.unsafeFlags(instrumentation + ["-parse-as-library"])],
    linkerSettings: [
      .unsafeFlags(
        instrumentation + ["-Xlinker", "--defsym=\(name)_main=0", "-Xlinker", "--defsym=main=merpati_fuzz_main"])
    ])
}

let package = Package(
  name: "merpati-fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
  ],
  targets: [
    fuzz("Canary", ["POP3Core"]),
    fuzz("MessageFuzz", ["MailFormat", "Bytes"]),
    fuzz("IndexFuzz", ["MailFormat", "Bytes"]),
    fuzz("HeaderFuzz", ["MailFormat", "Bytes"]),
    fuzz("IMAPFramerFuzz", ["IMAPCore", "Bytes"]),
    fuzz("IMAPCommandFuzz", ["IMAPCore"]),
    fuzz("IMAPResponseFuzz", ["IMAPCore", "Bytes"]),
    fuzz("POP3Fuzz", ["POP3Core"]),
    fuzz("LMTPFuzz", ["LMTPCore", "Bytes"]),
    fuzz("DotFuzz", ["POP3Core", "LMTPCore", "Bytes"]),
    fuzz("SASLFuzz", ["SASL"]),
    fuzz("CredentialsFuzz", ["SASL"]),
    fuzz("BytesFuzz", ["Bytes"]),

    .target(name: "FuzzMain", path: "Support/FuzzMain"),
    .target(name: "FuzzKit", dependencies: [nio], path: "Support/FuzzKit", swiftSettings: settings),

    room("IMAPCore", ["Bytes", nio]),
    room("POP3Core", ["Bytes", nio]),
    room("LMTPCore", ["Bytes", nio]),
    room("SASL", ["Bytes", nio, crypto, cryptoExtras, "CLibc"]),
    room("MailFormat", ["Bytes", nio, "CLibc"]),
    room("Bytes", [nio]),
    .systemLibrary(name: "CLibc", path: "Rooms/CLibc", providers: [.apt(["libcrypt-dev"])]),
  ]
)
