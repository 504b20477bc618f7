package import Foundation
package import MilvusWire

/// A running log witness (`Tests/witness/README.md`): a Milvus log served by Milvus's own message code. It ends with this object.
package final class LogWitness: Sendable {
  package struct Failure: Error, CustomStringConvertible {
    package var description: String
  }
  package let port: Int
  private let controlPort: Int
  private let process: Locked<Process>
  private let scratch: URL

  /// Starts `name`, such as `log-witness-2.6.23`, on free ports and waits until it listens.
  package init(_ program: URL, _ arguments: [String]) async throws {
    scratch = FileManager.default.temporaryDirectory.appending(
      path: "cdc-bridge-witness-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
    // Files take any amount of text without anyone reading at the same time, which pipes do not.
    let output = scratch.appending(path: "output"), errors = scratch.appending(path: "errors")
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = program
    process.arguments = ["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "--quiet"] + arguments
    process.environment = [:]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    do {
      (port, controlPort) = try await Self.ports(in: output, of: process)
    } catch {
      process.terminate()
      process.waitUntilExit()
      try? FileManager.default.removeItem(at: scratch)
      throw error
    }
    self.process = Locked(process)
  }

  deinit {
    process.withLock { process in
      process.terminate()
      process.waitUntilExit()
    }
    try? FileManager.default.removeItem(at: scratch)
  }

  /// The first line of its output, within a minute.
  private static func ports(in file: URL, of process: Process) async throws -> (Int, Int) {
    for _ in 0..<1200 {
      let text = try ProgramRun.text(of: file)
      if let line = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().first {
        let fields = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        let ports = ["address", "control"].compactMap { key in
          (fields?[key] as? String)?.split(separator: ":").last.flatMap { Int($0) }
        }
        guard ports.count == 2 else { throw Failure(description: "the witness said: \(line)") }
        return (ports[0], ports[1])
      }
      guard process.isRunning else {
        throw Failure(description: "the witness ended with \(process.terminationStatus)")
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    throw Failure(description: "the witness does not listen")
  }

  package var connection: ClusterConnection {
    ClusterConnection(endpoint: Endpoint(host: "127.0.0.1", port: port))
  }

  /// Calls the control port; `target` is a path with its query. The answer's body.
  @discardableResult
  package func control(_ method: String = "POST", _ target: String, body: String = "") async throws -> String {
    let stream = try await Endpoint(host: "127.0.0.1", port: controlPort).connect(
      timeout: .seconds(20), on: try ConnectionLoopGroup.shared().next())
    defer { stream.close() }
    try await stream.write(
      Array(
        "\(method) \(target) HTTP/1.1\r\nHost: w\r\nConnection: close\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
          .utf8))
    var answer: [UInt8] = []
    while true {
      let bytes = try await stream.read(maxBytes: 65536)
      if bytes.isEmpty { break }
      answer += bytes
    }
    let text = String(decoding: answer, as: UTF8.self)
    guard text.hasPrefix("HTTP/1.1 200"), let end = text.firstRange(of: "\r\n\r\n") else {
      throw Failure(description: "\(target): \(text.prefix(300))")
    }
    return String(text[end.upperBound...])
  }
}
