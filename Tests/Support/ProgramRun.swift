package import Foundation

/// What a program did: its exit code and all it wrote.
package struct ProgramRun: Sendable {
  package var exitCode: Int32
  package var output: String
  package var error: String

  /// A program that ends leaves what is alive to the system. Of that, the search for leaks of the address sanitizer takes the tables behind weak
  /// references for lost, because Swift keeps their addresses encoded, and names them or not as threads happen to stand; leaks are searched
  /// in the tests' own process, where everything has been let go.
  private static let underSanitizer = ["ASAN_OPTIONS": "detect_leaks=0"]

  /// Runs a program to its end. Its environment is `environment` and nothing of ours, so that a developer's own settings change no test.
  package init(
    _ program: URL, _ arguments: [String], environment: [String: String] = [:], in folder: URL? = nil
  )
    throws
  {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.environment = Self.underSanitizer.merging(environment) { $1 }
    process.currentDirectoryURL = folder
    // Files take any amount of text without anyone reading at the same time, which pipes do not.
    let scratch = FileManager.default.temporaryDirectory.appending(
      path: "cdc-bridge-run-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: scratch) }
    let outputFile = scratch.appending(path: "output"), errorFile = scratch.appending(path: "error")
    for file in [outputFile, errorFile] { try Data().write(to: file) }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: outputFile)
    process.standardError = try FileHandle(forWritingTo: errorFile)
    try process.run()
    process.waitUntilExit()
    exitCode = process.terminationStatus
    output = try Self.text(of: outputFile)
    error = try Self.text(of: errorFile)
  }

  /// `Data(contentsOf:)` loses a page of memory for each empty file, which the leak sanitizer finds.
  static func text(of file: URL) throws -> String {
    let handle = try FileHandle(forReadingFrom: file)
    defer { try? handle.close() }
    return String(decoding: try handle.readToEnd() ?? Data(), as: UTF8.self)
  }

  /// Runs `cdc-bridge` as it was built together with the tests.
  package static func bridge(
    _ arguments: [String], environment: [String: String] = [:], in folder: URL? = nil
  )
    throws -> ProgramRun
  {
    try ProgramRun(
      TestPaths.productsDirectory.appending(path: "cdc-bridge"), arguments, environment: environment,
      in: folder)
  }
}
