package import Foundation

/// Where tests find the project they test.
package enum TestPaths {
  /// The folder that holds Package.swift.
  package static let projectRoot: URL = {
    var folder = URL(filePath: #filePath)
    for _ in 0..<3 { folder.deleteLastPathComponent() }
    return folder
  }()
  /// The folder of the programs that were built together with the running tests.
  package static let productsDirectory: URL = {
    // SwiftPM names the test bundle, which lies beside the programs, in an argument.
    let bundle = CommandLine.arguments.first { $0.hasSuffix(".xctest") } ?? CommandLine.arguments[0]
    return URL(filePath: bundle).deletingLastPathComponent()
  }()
  /// A log witness (`Tests/witness/README.md`), such as `log-witness-2.6.23`: from the folder `CDC_BRIDGE_WITNESS`, else where
  /// `dev/setup` unpacked it. nil: neither is there; `dev/setup python` unpacks it.
  package static func witness(_ name: String) -> URL? {
    let folder = ProcessInfo.processInfo.environment["CDC_BRIDGE_WITNESS"].map { URL(filePath: $0) }
    let program = (folder ?? projectRoot.appending(path: ".work/witness")).appending(path: name)
    return FileManager.default.isExecutableFile(atPath: program.path) ? program : nil
  }
}
