import Foundation
import TestSupport
import Testing

/// Option beats environment beats file (`cdc-bridge serve --check` shows the outcome).
@Suite struct ConfigurationTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-cli-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func listen(_ arguments: [String], environment: [String: String] = [:]) throws -> String {
    let run = try ProgramRun.bridge(
      ["serve", "--check", "--data-dir", folder.appending(path: "data").path] + arguments,
      environment: environment)
    let match = try #require(run.output.firstMatch(of: /"listen": "([^"]*)"/), "\(run)")
    return String(match.1)
  }
  private func file(_ text: String) throws -> String {
    let url = folder.appending(path: "config.json")
    try text.write(to: url, atomically: true, encoding: .utf8)
    return url.path
  }

  @Test func `an option beats the environment and the environment beats the file`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let config = try file(#"{"listen": "127.0.0.1:3"}"#)
    let environment = ["CDC_BRIDGE_LISTEN": "127.0.0.1:2"]
    #expect(try listen([]) == "127.0.0.1:8444")
    #expect(try listen(["--config", config]) == "127.0.0.1:3")
    #expect(try listen([], environment: ["CDC_BRIDGE_CONFIG": config]) == "127.0.0.1:3")
    #expect(try listen(["--config", config], environment: environment) == "127.0.0.1:2")
    #expect(
      try listen(["--config", config, "--listen", "127.0.0.1:1"], environment: environment) == "127.0.0.1:1")
  }

  @Test(arguments: [
    ("{", "line 1"), ("[]", "expected a JSON object"), (#"{"lisen": "x"}"#, "Did you mean 'listen'?"),
    (#"{"listen": {}}"#, "listen: expected text"), (#"{"log_level": "loud"}"#, "is not one of debug, info"),
  ])
  func `a mistake in the file is named`(text: String, message: String) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let run = try ProgramRun.bridge(["serve", "--check", "--config", try file(text)])
    #expect(run.exitCode == 2)
    #expect(run.error.contains(message), "\(run.error)")
  }

  @Test func `a token is read from its file and never shown`() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let token = folder.appending(path: "token")
    try "root:sesame\n".write(to: token, atomically: true, encoding: .utf8)
    let run = try ProgramRun.bridge([
      "serve", "--check", "--data-dir", folder.appending(path: "data").path, "--source-uri",
      "http://127.0.0.1:1",
      "--source-token-file", token.path, "--api-token-file", token.path,
    ])
    #expect(run.exitCode == 1, "nobody listens there")
    #expect(!(run.output + run.error).contains("sesame"))
    #expect(run.output.contains("127.0.0.1:1"))
  }
}
