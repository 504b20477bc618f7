import Foundation
import TestSupport
import Testing

/// What people see of bytes: kept as snapshots, from recorded messages and connections of real servers.
@Suite struct DecodeTests {
  private static let fixtures = TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures").path
  private static let tools = ["PATH": "/usr/bin:/bin"]

  @Test(arguments: [
    ("insert", ["\(fixtures)/wal/v2.6.23/msg-002-insert-all-types.pb"]),
    ("insert-json", ["--json", "\(fixtures)/wal/v2.6.23/msg-002-insert-small.pb"]),
    ("transaction", ["--brief", "\(fixtures)/wal/v2.6.23/txn-upsert-3-expanded.pbs"]),
    ("token", ["\(fixtures)/wal/v2.6.23/msg-800-alter-replicate-config.pb"]),
    ("connection", ["--type", "GetVersionResponse", "\(fixtures)/public-rpc/h2-getversion-lite322.bin"]),
    ("answer", ["--type", "DescribeIndexResponse", "\(fixtures)/public-rpc/m235-describeindex-resp.bin"]),
    ("wire", ["--data", "0a06080112026869 1a03ff0001 2500000040"]),
    ("cut", ["--form", "grpc", "--data", "000000000a0801"]),
  ])
  func `bytes are shown`(name: String, arguments: [String]) throws {
    try Snapshot.expect(.bridge(["decode"] + arguments), equals: "decode-\(name)")
  }

  private func makeNotes(_ sandbox: SandboxProcess) throws {
    let request = """
      {"collection_name": "notes", "schema": {"name": "notes", "fields": [
        {"name": "id", "data_type": "Int64", "is_primary_key": true},
        {"name": "v", "data_type": "FloatVector", "type_params": [{"key": "dim", "value": "8"}]}]}}
      """
    #expect(try sandbox.run(["call", "CreateCollection", request]).exitCode == 0)
  }

  /// A pipe gives its bytes once: what tells a recording must not be lost.
  @Test func `a recording comes out of a pipe as out of its file`() throws {
    let sandbox = try SandboxProcess()
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-decode-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try makeNotes(sandbox)
    #expect(try sandbox.run(["record", folder.appending(path: "log").path]).exitCode == 0)
    let wanted = try ProgramRun.bridge(["decode", "log"], in: folder)
    #expect(wanted.output.contains("CreateCollection") && wanted.exitCode == 0)
    let program = TestPaths.productsDirectory.appending(path: "cdc-bridge").path
    for line in ["cat log | \"$0\" decode", "cat log | \"$0\" decode -", "cat log | \"$0\" decode /dev/stdin"] {
      let run = try ProgramRun(URL(filePath: "/bin/sh"), ["-c", line, program], environment: Self.tools, in: folder)
      #expect((run.exitCode, run.output, run.error) == (wanted.exitCode, wanted.output, wanted.error), "\(line)")
    }
  }

  @Test func `a file that is no recording is not appended to`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-record-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "request.json")
    try Data("{}".utf8).write(to: file)
    for command in [
      ["record", "--uri", "127.0.0.1:9", "request.json"], ["tap", "127.0.0.1:0", "127.0.0.1:9", "--record", "request.json"],
    ] {
      let run = try ProgramRun.bridge(command, in: folder)
      #expect(run.exitCode == 2)
      #expect(run.error.contains("request.json is no recording"))
    }
    #expect(try Data(contentsOf: file) == Data("{}".utf8))
    // The rest of a first block that a crash cut off may be appended to: here only the server is missing.
    try Data("CDC".utf8).write(to: file)
    #expect(try ProgramRun.bridge(["record", "--uri", "127.0.0.1:9", "request.json"], in: folder).exitCode == 64 + 14)
  }

  @Test func `a reading that would go on ends with its reader`() throws {
    let sandbox = try SandboxProcess()
    try makeNotes(sandbox)
    let program = TestPaths.productsDirectory.appending(path: "cdc-bridge").path
    let line = "(timeout 60 \"$0\" tail --earliest --brief --uri \"$1\"; echo \"ended with $?\" >&2) | head -n 0"
    let run = try ProgramRun(URL(filePath: "/bin/sh"), ["-c", line, program, sandbox.uri], environment: Self.tools)
    #expect(run.error.hasSuffix("ended with 0\n"), "\(run.error)")
  }

  @Test func `a channel that the cluster lacks and a time to come are named`() throws {
    let sandbox = try SandboxProcess()
    try makeNotes(sandbox)
    let channel = try sandbox.run(["dump", "--pchannel", "elsewhere"])
    #expect(channel.exitCode == 1)
    #expect(channel.error.contains("'elsewhere'") && channel.error.contains("by-dev-rootcoord-dml_0"))
    let late = try sandbox.run(["dump", "--from", "2200-01-01T00:00:00Z"])
    #expect(late.exitCode == 1)
    #expect(late.error.contains("there is nothing to read: it would begin at 2200-01-01"))
    // Up to now, and not until that year.
    let all = try sandbox.run(["dump", "--brief", "--until", "2200-01-01T00:00:00Z"])
    #expect(all.exitCode == 0 && all.output.contains("CreateCollection"))
  }

  @Test func `nobody listens where a command asks`() throws {
    for command in [["probe", "http://127.0.0.1:9"], ["dump", "--uri", "http://127.0.0.1:9"]] {
      let run = try ProgramRun.bridge(command)
      #expect(run.exitCode == 64 + 14)
      #expect((run.output + run.error).contains("connection refused"))
    }
    // A recording that has not begun is no file.
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).cdcr").path
    let run = try ProgramRun.bridge(["record", "--uri", "http://127.0.0.1:9", path])
    #expect(run.exitCode == 64 + 14)
    #expect(!FileManager.default.fileExists(atPath: path))
  }
}
