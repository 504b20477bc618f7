import Foundation
import TestSupport
import Testing

/// The client commands against a service that runs for the test.
@Suite struct TaskCommandTests {
  /// `serve` on a free port with a directory of its own.
  private final class Service {
    let process = Process()
    let folder: URL
    let port: Int

    init() throws {
      folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-service-\(UUID().uuidString)")
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let errors = Pipe()
      process.executableURL = TestPaths.productsDirectory.appending(path: "cdc-bridge")
      process.arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", folder.appending(path: "data").path]
      process.environment = ["CDC_BRIDGE_SOURCE_URI": "http://127.0.0.1:1", "CDC_BRIDGE_API_TOKEN": "sesame"]
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = errors
      try process.run()
      // The log says where it listens; its end says that it does not.
      var text = ""
      var found: Int?
      while found == nil, let more = try errors.fileHandleForReading.read(upToCount: 1), !more.isEmpty {
        text += String(decoding: more, as: UTF8.self)
        if text.hasSuffix("\n") { found = text.firstMatch(of: /127\.0\.0\.1:([1-9]\d*)\D/).flatMap { Int($0.1) } }
      }
      port = try #require(found, "\(text)")
      // Nobody may stop reading its log, or it stands still.
      errors.fileHandleForReading.readabilityHandler = { _ = $0.availableData }
    }
    deinit {
      process.terminate()
      process.waitUntilExit()
      try? FileManager.default.removeItem(at: folder)
    }
    func run(_ arguments: [String], token: String = "sesame") throws -> ProgramRun {
      var run = try ProgramRun.bridge(
        arguments, environment: ["CDC_BRIDGE_SERVER": "http://127.0.0.1:\(port)", "CDC_BRIDGE_API_TOKEN": token])
      run.output = run.output.replacing(":\(port)", with: ":PORT")
      run.error = run.error.replacing(":\(port)", with: ":PORT")
      return run
    }
  }

  @Test func aServiceWithoutTasksIsShown() throws {
    let service = try Service()
    #expect(try service.run(["list"]).output == "no tasks\n")
    #expect(try service.run(["list", "--json"]).output == "{\"tasks\": []}\n")
    #expect(try service.run(["position"]).output == "no positions\n")
    let top = try service.run(["top", "--once", "--interval", "0.01"])
    #expect(top.output.contains("0 tasks") && top.output.hasSuffix("no tasks\n"), "\(top)")
    try Snapshot.expect(service.run(["get", "nobody"]), equals: "task-get-nobody")
    try Snapshot.expect(service.run(["pause", "nobody", "none"]), equals: "task-pause-nobody")
    try Snapshot.expect(service.run(["delete", "nobody", "--ignore-not-found"]), equals: "task-delete-ignored")
    try Snapshot.expect(service.run(["list"], token: "wrong"), equals: "task-wrong-token")
    try Snapshot.expect(
      service.run(["create", "--target-uri", "http://127.0.0.1:1", "--database", "*"]), equals: "task-create-refused")
    let file = service.folder.appending(path: "request.json")
    try #"{"request_type": "create", "request_data": {"collection_infos": []}}"#.write(to: file, atomically: true, encoding: .utf8)
    try Snapshot.expect(service.run(["create", "-d", "@\(file.path)"]), equals: "task-create-empty")
  }

  @Test(arguments: [
    ("list-refused", ["list", "--server", "http://127.0.0.1:1"], 1), ("list-bad-server", ["list", "--server", "ftp://a"], 2),
    ("get-nothing", ["get"], 2), ("pause-nothing", ["pause"], 2), ("create-nothing", ["create"], 2),
    ("create-both", ["create", "-d", "{}", "--adopt"], 2), ("create-bad-json", ["create", "-d", "{"], 2),
    ("create-bad-choice", ["create", "--target-uri", "a", "--capture", "wall"], 2),
    ("progress-bad-until", ["progress", "t", "--until", "copyed"], 2),
    ("certificates-without-tls", ["list", "--ca-file", "x"], 2),
  ])
  func mistakesAreNamed(name: String, arguments: [String], code: Int32) throws {
    let run = try ProgramRun.bridge(arguments)
    #expect(run.exitCode == code)
    #expect(run.output.isEmpty)
    try Snapshot.expect(run, equals: "task-usage-\(name)")
  }
}
