import Foundation
import TestSupport
import Testing

/// A `cdc-bridge sandbox` of its own for one test, ended with the object.
final class SandboxProcess {
  /// `127.0.0.1:PORT`.
  let address: String
  private let process = Process()

  init() throws {
    let output = Pipe()
    process.executableURL = TestPaths.productsDirectory.appending(path: "cdc-bridge")
    process.arguments = ["sandbox", "--listen", "127.0.0.1:0"]
    process.environment = [:]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    // The line comes when it listens; its end comes when it does not.
    var line = Data()
    while line.last != 0x0A, let more = try output.fileHandleForReading.read(upToCount: 1), !more.isEmpty { line += more }
    let text = String(decoding: line, as: UTF8.self)
    address = String(try #require(text.firstMatch(of: /listening on (\S+)/), "\(text)").1)
  }

  deinit {
    process.terminate()
    process.waitUntilExit()
  }

  var uri: String { "http://\(address)" }

  /// Runs the program against it. Its address is written as HOST:PORT, so that the text is the same in every run.
  func run(_ arguments: [String], environment: [String: String] = [:]) throws -> ProgramRun {
    var run = try ProgramRun.bridge(
      arguments, environment: ["CDC_BRIDGE_URI": uri].merging(environment) { $1 })
    run.output = run.output.replacing(address, with: "HOST:PORT")
    run.error = run.error.replacing(address, with: "HOST:PORT")
    return run
  }
}
