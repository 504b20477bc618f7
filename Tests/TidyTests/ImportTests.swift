import TestSupport
import Testing

/// Imports point down only (`docs/ARCHITECTURE.md`): SwiftPM does not stop a file from importing a module two floors below.
@Suite struct ImportTests {
  /// The longest matching folder decides. C modules stand only where unsafe code may.
  static let allowed: [(folder: String, modules: Set<String>)] = [
    ("Sources/MilvusWire/", ["FoundationEssentials", "Synchronization"]),
    (
      "Sources/MilvusWire/CInterop/",
      [
        "FoundationEssentials", "Synchronization", "Glibc", "CPlatform", "CNghttp2", "COpenSSL", "CProtobuf",
        "CProtobufC",
      ]
    ),
    // Turns the generated structures into values; their pointers are handled in CInterop.
    ("Sources/MilvusWire/Milvus/Codec/", ["CProtobuf"]),
    ("Sources/MilvusWire/Milvus/Rows/", ["FoundationEssentials", "Synchronization", "Glibc"]),
    ("Sources/MilvusWire/Transport/", ["FoundationEssentials", "Synchronization", "Glibc"]),
    ("Sources/CDCBridge/", ["FoundationEssentials", "Synchronization", "MilvusWire"]),
    ("Sources/CDCBridge/Service/", ["FoundationEssentials", "Synchronization", "MilvusWire", "Glibc"]),
    ("Sources/CDCBridge/Tasks/", ["FoundationEssentials", "Synchronization", "MilvusWire", "Glibc"]),
    ("Sources/MilvusSandbox/", ["FoundationEssentials", "Synchronization", "MilvusWire", "Glibc"]),
    (
      "Sources/cdc-bridge/",
      ["FoundationEssentials", "Synchronization", "MilvusWire", "MilvusSandbox", "CDCBridge", "Glibc"]
    ),
    ("Sources/wire-interop/", ["MilvusWire", "Glibc"]),
  ]

  @Test func `every folder of Sources imports only what its floor allows`() {
    var offences: [Offence] = []
    for file in SourceTree.swift where file.path.hasPrefix("Sources/") {
      guard
        let rule = Self.allowed.filter({ file.path.hasPrefix($0.folder) }).max(by: {
          $0.folder.count < $1.folder.count
        })
      else {
        offences.append(Offence(path: file.path, line: 1, what: "no rule says what this folder may import"))
        continue
      }
      for (number, code) in file.codeLines() {
        guard let match = code.firstMatch(of: /^\s*(?:@\w+\s+)*(?:(\w+)\s+)?import\s+(?:\w+\s+)?(\w+)/) else {
          continue
        }
        let module = String(match.2)
        if !rule.modules.contains(module) {
          offences.append(
            Offence(
              path: file.path, line: number,
              what:
                "imports \(module); \(rule.folder) may import \(rule.modules.sorted().joined(separator: ", "))"
            ))
        }
        if match.1 != "internal" && match.1 != "package" {
          offences.append(Offence(path: file.path, line: number, what: "say `internal import \(module)`"))
        }
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }
}
