import Foundation
import TestSupport
import Testing

/// Texts that people read, kept in files. `SNAP_UPDATE=1 swift test --filter CLITests` writes them; read the difference before you commit it.
enum Snapshot {
  static func expect(
    _ run: ProgramRun, equals name: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let text = "exit code \(run.exitCode)\n--- output\n\(run.output)--- error\n\(run.error)"
    let file = TestPaths.projectRoot.appending(path: "Tests/CLITests/Snapshots/\(name).txt")
    if ProcessInfo.processInfo.environment["SNAP_UPDATE"] == "1" {
      try text.write(to: file, atomically: true, encoding: .utf8)
      return
    }
    let expected = try String(contentsOf: file, encoding: .utf8)
    #expect(text == expected, "differs from \(file.lastPathComponent)", sourceLocation: sourceLocation)
  }
}
