// swift-tools-version: 6.2
// cdc-bridge: one native binary that keeps one Milvus cluster in sync with another.
import PackageDescription

let swiftSettings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .treatAllWarnings(as: .error),
]

/// Above MilvusWire the compiler refuses pointers.
let safeSettings = swiftSettings + [.strictMemorySafety()]

let package = Package(
  name: "cdc-bridge",
  products: [
    .executable(name: "cdc-bridge", targets: ["cdc-bridge"])
  ],
  targets: [
    .systemLibrary(
      name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
      name: "CProtobufC", pkgConfig: "libprotobuf-c", providers: [.apt(["libprotobuf-c-dev"])]),
    .systemLibrary(name: "CPlatform"),
    .target(
      name: "CProtobuf", dependencies: ["CProtobufC"],
      linkerSettings: [.linkedLibrary("protobuf-c")]),
    .target(
      name: "MilvusWire",
      dependencies: ["CNghttp2", "COpenSSL", "CPlatform", "CProtobuf", "CProtobufC"],
      swiftSettings: swiftSettings),
    .target(name: "CDCBridge", dependencies: ["MilvusWire"], swiftSettings: safeSettings),
    .target(name: "MilvusSandbox", dependencies: ["MilvusWire"], swiftSettings: safeSettings),
    .executableTarget(
      name: "cdc-bridge", dependencies: ["CDCBridge", "MilvusSandbox", "MilvusWire"],
      swiftSettings: safeSettings),
    // The wire as a program of its own, for Tests/interop; not a product.
    .executableTarget(
      name: "wire-interop", dependencies: ["MilvusWire"], swiftSettings: safeSettings),
    .target(
      name: "TestSupport", dependencies: ["CDCBridge", "MilvusWire"], path: "Tests/Support",
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MilvusWireTests", dependencies: ["CProtobuf", "MilvusWire", "TestSupport"],
      exclude: ["Fixtures"], swiftSettings: swiftSettings),
    .testTarget(
      name: "CDCBridgeTests", dependencies: ["CDCBridge", "MilvusWire", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "MilvusSandboxTests", dependencies: ["MilvusSandbox", "MilvusWire", "TestSupport"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "CLITests", dependencies: ["MilvusWire", "TestSupport", "cdc-bridge"], exclude: ["Snapshots"],
      swiftSettings: swiftSettings),
    .testTarget(
      name: "TidyTests", dependencies: ["TestSupport"], swiftSettings: swiftSettings),
  ]
)

// Only for dev/fuzz: a program without a main of its own, which libFuzzer brings.
if Context.environment["CDC_BRIDGE_FUZZ"] != nil {
  package.targets.append(
    .executableTarget(
      name: "wire-fuzz", dependencies: ["CDCBridge", "MilvusWire"], path: "Tests/Fuzz",
      swiftSettings: swiftSettings + [.unsafeFlags(["-parse-as-library"])]))
}
