// swift-tools-version: 6.2
import PackageDescription

// The rooms of the house, top to bottom as in docs/architecture.md: a target may depend only on targets below it.

let swiftSettings: [SwiftSetting] = [
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableExperimentalFeature("Lifetimes"),
]

let nio: Target.Dependency = .product(name: "NIOCore", package: "swift-nio")
let nioPosix: Target.Dependency = .product(name: "NIOPosix", package: "swift-nio")
let nioTLS: Target.Dependency = .product(name: "NIOTLS", package: "swift-nio")
let nioSSL: Target.Dependency = .product(name: "NIOSSL", package: "swift-nio-ssl")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

let package = Package(
  name: "merpati",
  platforms: [.macOS(.v26)],
  products: [
    .executable(name: "merpati", targets: ["merpati"]),
    .library(name: "MailFormat", targets: ["MailFormat"]),
    .library(name: "MailStore", targets: ["MailStore", "MailStoreSQL", "BlobStore"]),
    .library(name: "MailProtocols", targets: ["IMAPCore", "POP3Core", "LMTPCore", "SASL"]),
    .library(name: "MailClient", targets: ["MailClient", "IMAPClient", "POP3Client", "LMTPClient"]),
    .library(name: "MailPull", targets: ["MailPull", "MailSync", "LocalMail"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
    .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/vapor/jwt-kit", from: "5.7.1"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(
      url: "https://github.com/apple/swift-configuration", from: "1.4.0",
      traits: [.defaults, "YAML", "CommandLineArguments"]),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
  ],
  targets: [
    // Wiring
    .executableTarget(
      name: "merpati",
      dependencies: [
        "MerpatiServer", "MailPull", "MailSync", "MailAdvice", "MailTransfer", "MailBrowse", "IMAPClient", "POP3Client",
        "MailClient", "LocalMail", "MailStore", "MailStoreSQL", "IMAPCore", "MailNet", nio, nioPosix, "CMalloc",
        .product(name: "ArgumentParser", package: "swift-argument-parser"), logging,
      ],
      swiftSettings: swiftSettings),
    room(
      "MerpatiServer",
      [
        "IMAPServer", "POP3Server", "LMTPServer", "AuthServer", "MailClient", "MailAuth", "MailNet", "IMAPCore",
        "POP3Core",
        "SASL", "MailStoreSQL",
        "MailStore", "MailTransfer", "MailAdvice", "LocalMail",
        "BlobStore", "Bytes", "CProcess", "CMalloc", nio, nioPosix, nioSSL, logging,
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "X509", package: "swift-certificates"),
        .product(name: "SwiftASN1", package: "swift-asn1"),
        .product(name: "SystemPackage", package: "swift-system"),
        .product(name: "Yams", package: "Yams"),
        crypto,
      ]),

    // Bring mail home, choose how, move it
    room(
      "MailPull",
      [
        "POP3Client", "LMTPClient", "MailClient", "LocalMail", "MailFormat", "MailNet", "Bytes", nio, nioPosix, logging,
        crypto, .product(name: "GRDB", package: "GRDB.swift"), .product(name: "Yams", package: "Yams"),
      ]),
    room(
      "MailSync",
      [
        "IMAPClient", "MailClient", "LocalMail", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio, nioPosix, logging,
        crypto, .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    room(
      "MailAdvice",
      [
        "IMAPClient", "POP3Client", "MailClient", "MailStore", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio,
        nioPosix, logging,
      ]),
    room(
      "MailTransfer",
      [
        "IMAPClient", "MailClient", "LocalMail", "MailStore", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio,
        nioPosix,
        logging, crypto,
      ]),

    room(
      "MailBrowse",
      ["MailSync", "IMAPClient", "POP3Client", "MailClient", "MailFormat", "IMAPCore", "MailNet", "Bytes", nio]),

    // Clients
    room("IMAPClient", ["MailClient", "IMAPCore", "SASL", "MailNet", "MailFormat", "Bytes", nio, nioPosix, logging]),
    room("POP3Client", ["MailClient", "POP3Core", "SASL", "MailNet", "Bytes", nio, nioPosix, logging]),
    room("LMTPClient", ["MailClient", "LMTPCore", "POP3Core", "MailNet", "Bytes", nio, nioPosix, logging]),
    room("MailClient", ["SASL", "MailNet", "Bytes", nio, nioPosix, logging, crypto]),

    // Maildir and mbox as files
    room("LocalMail", ["MailFormat", "Bytes", nio, nioPosix, crypto, "CLibc"]),

    // A session each
    room(
      "IMAPServer",
      ["IMAPCore", "SASL", "MailAuth", "MailNet", "MailStore", "SearchText", "MailFormat", "Bytes", nio, logging]),
    room("POP3Server", ["POP3Core", "SASL", "MailAuth", "MailNet", "MailStore", "MailFormat", "Bytes", nio, logging]),
    room("LMTPServer", ["LMTPCore", "MailNet", "MailStore", "MailFormat", "Bytes", nio, logging]),
    room("AuthServer", ["MailAuth", "MailNet", "MailStore", "SASL", "Bytes", nio, logging]),

    // Who may log in
    room(
      "MailAuth",
      [
        "MailNet", "MailStore", "SASL", "Bytes", nio, nioPosix, logging, crypto,
        .product(name: "JWTKit", package: "jwt-kit"),
      ]),

    // Sockets
    room(
      "MailNet",
      [
        "Bytes", nio, nioPosix, nioTLS, nioSSL, logging, crypto, "CZlib",
        .product(name: "X509", package: "swift-certificates"), .product(name: "SwiftASN1", package: "swift-asn1"),
      ]),

    // The store
    room(
      "MailStoreSQL",
      [
        "MailStore", "BlobStore", "SearchIndex", "SearchText", "MailFormat", "Bytes", nio, nioPosix, logging, crypto,
        "CLibc", "CSQLite", "CSQLiteWAL",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    room("BlobStore", ["Bytes", nio, "CLibc", "CZstd", "CChecksum"]),
    room("MailStoreMemory", ["MailStore", "SearchText", "MailFormat", "Bytes", nio]),
    room("MailStore", ["SearchText", "Bytes", "MailFormat", nio]),
    // What SEARCH looks through, and the index of it
    room("SearchIndex", ["SearchText", "MailFormat", "Bytes", "CSQLite", "CZlib", "CLibc"]),
    room("SearchText", ["MailFormat", "Bytes", "CLibc"]),

    // Bytes to values and back
    room("IMAPCore", ["Bytes", nio]),
    room("POP3Core", ["Bytes", nio]),
    room("LMTPCore", ["Bytes", nio]),
    room("SASL", ["Bytes", nio, crypto, .product(name: "CryptoExtras", package: "swift-crypto"), "CLibc"]),
    room("MailFormat", ["Bytes", nio, "CLibc"]),
    room("Bytes", [nio]),

    // System libraries
    .systemLibrary(name: "CZstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CLibc", providers: [.apt(["libcrypt-dev"])]),
    .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
    .systemLibrary(name: "CMalloc"),
    .target(name: "CProcess"),
    .target(name: "CChecksum", dependencies: ["CZlib"], linkerSettings: [.linkedLibrary("z")]),
    .target(name: "CSQLiteWAL", dependencies: ["CSQLite"]),

    // Tests
    .target(
      name: "MailTestKit",
      dependencies: ["Bytes", "MailFormat", "MailStore", "MailStoreMemory", "BlobStore", nio, nioPosix],
      path: "Tests/MailTestKit", swiftSettings: swiftSettings),
    // Random sessions against SQLite and against the model (docs/simulation.md).
    .target(
      name: "SimulationKit",
      dependencies: [
        "IMAPServer", "POP3Server", "LMTPServer", "MailAuth", "MailNet", "SASL", "MailStoreSQL", "MailStoreMemory",
        "MailStore", "BlobStore", "Bytes", "MailTestKit", nio, nioPosix, logging,
      ],
      path: "Tests/SimulationKit", swiftSettings: swiftSettings),
    .executableTarget(
      name: "simulate", dependencies: ["SimulationKit", "MailStoreMemory"], path: "Tests/Simulate",
      swiftSettings: swiftSettings),
    tests("SimulationTests", ["SimulationKit", "MailStoreMemory"]),
    .target(name: "FuzzKit", dependencies: [nio], path: "Fuzz/Support/FuzzKit", swiftSettings: swiftSettings),
    tests(
      "FuzzSeedTests",
      [
        "FuzzKit", "MerpatiServer", "IMAPServer", "MailTransfer", "MailStoreSQL", "MailStore", "MailNet", "LocalMail",
        "AuthServer", "MailAuth",
        "BlobStore", "IMAPCore", "POP3Core", "LMTPCore", "SASL", "SearchText", "MailFormat", "Bytes", nio,
      ]),
    tests("BytesTests", ["Bytes", nio]),
    tests("MailFormatTests", ["MailFormat", "Bytes", "MailTestKit", nio]),
    tests("SASLTests", ["SASL", "Bytes", nio]),
    tests("POP3CoreTests", ["POP3Core", "Bytes", nio]),
    tests("LMTPCoreTests", ["LMTPCore", "Bytes", nio]),
    tests("IMAPCoreTests", ["IMAPCore", "Bytes", nio]),
    tests("BlobStoreTests", ["BlobStore", "Bytes", "MailTestKit", nio]),
    tests("SearchIndexTests", ["SearchIndex", "SearchText", "MailFormat", "Bytes", "CSQLite", nio]),
    tests(
      "MailStoreSQLTests",
      [
        "MailStoreSQL", "MailStoreMemory", "MailStore", "BlobStore", "SearchText", "MailFormat", "SASL", "Bytes",
        "MailTestKit", nio, logging,
      ]),
    tests("MailNetTests", ["MailNet", nio, nioPosix, nioSSL, logging]),
    tests(
      "MailAuthTests",
      [
        "MailAuth", "AuthServer", "MailNet", "MailStore", "SASL", "Bytes", nio, nioPosix, logging, crypto,
        .product(name: "CryptoExtras", package: "swift-crypto"),
      ]),
    tests(
      "MailClientTests", ["MailClient", "MailNet", "SASL", "Bytes", "MailTestKit", nio, nioPosix, nioSSL, logging]),
    tests(
      "POP3ClientTests",
      [
        "POP3Client", "MailClient", "POP3Core", "SASL", "MailNet", "Bytes", "MailTestKit", nio, nioPosix, nioSSL,
        logging,
      ]),
    tests(
      "IMAPClientTests",
      ["IMAPClient", "MailClient", "IMAPCore", "MailFormat", "MailNet", "Bytes", "MailTestKit", nio, nioPosix, logging]),
    tests("LMTPClientTests", ["LMTPClient", "MailClient", "MailNet", "Bytes", "MailTestKit", nio, nioPosix, logging]),
    tests("LocalMailTests", ["LocalMail", "MailFormat", "Bytes", "MailTestKit", nio, nioPosix, crypto]),
    tests(
      "MailPullTests",
      ["MailPull", "POP3Client", "MailClient", "LocalMail", "MailNet", "Bytes", "MailTestKit", nio, nioPosix, logging]),
    tests(
      "MailSyncTests",
      [
        "MailSync", "IMAPClient", "MailClient", "LocalMail", "IMAPCore", "MailNet", "Bytes", "MailTestKit", nio,
        nioPosix,
        logging,
      ]),
    tests(
      "MailBrowseTests",
      [
        "MailBrowse", "MailSync", "IMAPClient", "MailClient", "MailFormat", "IMAPCore", "MailNet", "Bytes",
        "MailTestKit", nio,
      ]),
    tests(
      "MailAdviceTests",
      [
        "MailAdvice", "IMAPClient", "POP3Client", "IMAPCore", "MailClient", "MailStore", "MailNet", "Bytes",
        "MailTestKit",
        nio, nioPosix, logging,
      ]),
    tests(
      "MailTransferTests",
      [
        "MailTransfer", "MerpatiServer", "MailAuth", "IMAPClient", "MailClient", "LocalMail", "MailStore",
        "MailStoreSQL", "MailNet",
        "Bytes", "MailTestKit", nio, nioPosix, logging,
      ]),
    tests(
      "MerpatiServerTests",
      [
        "MerpatiServer", "MailTransfer", "LocalMail", "MailStore", "MailStoreSQL", "MailNet", "MailTestKit", nio,
        nioPosix, logging,
      ]),
    tests(
      "ServerTests",
      [
        "MerpatiServer", "IMAPServer", "POP3Server", "LMTPServer", "MailNet", "MailStoreSQL", "MailStore", "IMAPCore",
        "MailAuth", "POP3Core", "LMTPCore", "SearchText", "MailFormat", "BlobStore", "Bytes", "MailTestKit", "SASL",
        nio,
        nioPosix, nioSSL,
        logging,
      ]),
  ]
)

// MERPATI_TESTS=IMAPClientTests,SASLTests builds and runs these test targets alone.
if let only = Context.environment["MERPATI_TESTS"]?.split(separator: ",").map(String.init) {
  package.targets.removeAll { $0.type == .test && !only.contains($0.name) }
}

// MERPATI_MICRO=1: the small benchmarks (`make bench-micro`), which nobody else needs.
if Context.environment["MERPATI_MICRO"] != nil {
  package.targets += [
    .target(name: "MallocCount", path: "Benchmarks/MallocCount"),
    .executableTarget(
      name: "microbench",
      dependencies: ["MallocCount", "MailStoreSQL", "MailStore", "MailFormat", "IMAPCore", "Bytes", nio],
      path: "Benchmarks/Micro", exclude: ["budgets.txt"], swiftSettings: swiftSettings),
  ]
  package.products.append(.executable(name: "microbench", targets: ["microbench"]))
}
