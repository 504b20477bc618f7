import Foundation
import TestSupport
import Testing

/// `call`, `methods` and `describe` as a person sees them.
@Suite struct CallTests {
  private static let schema = """
    {"name": "films", "fields": [{"name": "id", "data_type": "Int64", "is_primary_key": true}, \
    {"name": "v", "data_type": "FloatVector", "type_params": [{"key": "dim", "value": "4"}]}]}
    """

  private func sandboxWithFilms() throws -> SandboxProcess {
    let sandbox = try SandboxProcess()
    for (method, request) in [
      ("CreateCollection", #"{"collection_name": "films", "schema": \#(Self.schema)}"#),
      (
        "Insert",
        """
        {"collection_name": "films", "num_rows": 2, "fields_data": [
          {"type": "Int64", "field_name": "id", "scalars": {"long_data": {"data": [1, 2]}}},
          {"type": "FloatVector", "field_name": "v", "vectors": {"dim": 4, "float_vector": {"data": [3, 4, 0, 0, 0.5, 0, 0, 0]}}}]}
        """
      ),
      (
        "CreateIndex",
        """
        {"collection_name": "films", "field_name": "v", "index_name": "v",
         "extra_params": [{"key": "index_type", "value": "FLAT"}, {"key": "metric_type", "value": "L2"}]}
        """
      ), ("LoadCollection", #"{"collection_name": "films"}"#),
    ] {
      let run = try sandbox.run(["call", method, request])
      #expect(run.exitCode == 0, "\(run)")
    }
    return sandbox
  }

  @Test func aCollectionIsMadeFilledAndRead() throws {
    let sandbox = try sandboxWithFilms()
    let query = #"{"collection_name": "films", "expr": "id < 10", "output_fields": ["*"]}"#
    for (name, options) in [
      ("columns", []), ("rows", ["--rows"]), ("full", ["--rows", "--full", "--layout", "lines"]),
      ("exact", ["--exact", "--names", "camel"]),
    ] {
      var run = try sandbox.run(["call", "Query", query] + options)
      run.output = run.output.replacing(/"(session_ts|sessionTs)": "\d+"/) { "\"\($0.1)\": \"TICK\"" }
        .replacing(/"session_ts":"\d+"/, with: "\"session_ts\":\"TICK\"")
      try Snapshot.expect(run, equals: "call-query-\(name)")
    }
    let described = try sandbox.run(["call", "DescribeCollection", #"{"collectionName": "films"}"#, "--layout", "lines"])
    #expect(described.output.contains(#""name":"films""#), "\(described)")
  }

  @Test func whatHappensIsShown() throws {
    let sandbox = try SandboxProcess()
    var run = try sandbox.run(
      ["call", "GetVersion", "-v", "-H", "x-who: ${WHO}", "--token", "${TOKEN}"],
      environment: ["WHO": "me", "TOKEN": "root:sesame"])
    run.error = run.error.replacing(/grpc-timeout: \d+\w/, with: "grpc-timeout: TIMEOUT")
    try Snapshot.expect(run, equals: "call-verbose")
    #expect(!run.error.contains("sesame"))
    let timing = try sandbox.run(["call", "GetVersion", "--timing"])
    #expect(timing.error.contains(/\* total +\d+\.\d{3} ms\n\* sent 1 message of 0 bytes; received 1 message of \d+ bytes/))
  }

  @Test func streamsAreLines() throws {
    let sandbox = try sandboxWithFilms()
    // From the earliest message on; the deadline ends it.
    let dump = try sandbox.run([
      "call", "DumpMessages", "--timeout", "2",
      #"{"pchannel": "by-dev-rootcoord-dml_0", "start_message_id": {"id": "EAA=", "WAL_name": "WoodPecker"}, "include_start_message": true}"#,
    ])
    #expect(dump.exitCode == 64 + 4, "deadline exceeded: \(dump.error)")
    #expect(dump.output.split(separator: "\n").allSatisfy { $0.hasPrefix("{") && $0.hasSuffix("}") })
    #expect(dump.output.contains("CreateCollection") || dump.output.contains(#""_t":"#), "\(dump.output)")
    // A stream of requests that ends at once: standard input is empty.
    try Snapshot.expect(sandbox.run(["call", "CreateReplicateStream"]), equals: "call-replicate-unknown")
  }

  @Test func failuresOfAServerAreNamed() throws {
    let sandbox = try SandboxProcess()
    try Snapshot.expect(
      sandbox.run(["call", "DescribeCollection", #"{"collection_name": "none"}"#]), equals: "call-milvus-failure")
    try Snapshot.expect(sandbox.run(["call", "Search"]), equals: "call-unimplemented")
    try Snapshot.expect(
      sandbox.run(["call", "GetVersion", "--uri", "https://\(sandbox.address)"]), equals: "call-tls-to-cleartext")
  }

  /// Nobody listens on port 1.
  @Test func aRefusedConnectionIsNamed() throws {
    try Snapshot.expect(.bridge(["call", "GetVersion", "--uri", "http://127.0.0.1:1"]), equals: "call-refused")
  }

  @Test(arguments: [
    ("no-method", ["call"]), ("unknown-method", ["call", "DescribeColection"]),
    ("unknown-method-nothing-near", ["call", "Xyzzyxyzzy"]),
    ("bad-json", ["call", "Query", "{\"collection_name\": \"films\",\n  \"expr\" \"id < 3\"}"]),
    ("json-twice", ["call", "Query", "{}{}"]), ("key-twice", ["call", "Query", #"{"expr": "", "expr": ""}"#]),
    ("wrong-type", ["call", "Query", #"{"query_params": [{"key": "limit", "value": 3}]}"#]),
    ("wrong-integer", ["call", "Query", #"{"partition_names": [], "guarantee_timestamp": -1}"#]),
    ("unknown-field", ["call", "Query", #"{"colection_name": "films"}"#]),
    ("unknown-enum", ["call", "Query", #"{"consistency_level": "strong"}"#]),
    ("no-object", ["call", "Query", "[1]"]), ("no-base64", ["call", "CreateCollection", #"{"schema": "***"}"#]),
    ("schema-inside", ["call", "CreateCollection", #"{"schema": {"fields": [{"data_type": "int64"}]}}"#]),
    ("file-missing", ["call", "Query", "-d", "@no/such.json"]), ("two-requests", ["call", "Query", "{}", "-d", "{}"]),
    ("literal-token", ["call", "GetVersion", "--token", "root:sesame"]),
    ("token-variable", ["call", "GetVersion", "--token", "${NO_SUCH}"]),
    ("bad-header", ["call", "GetVersion", "-H", "novalue"]), ("bad-timeout", ["call", "GetVersion", "--timeout", "0"]),
    ("plaintext-https", ["call", "GetVersion", "--uri", "https://a", "--plaintext"]),
    ("exact-rows", ["call", "GetVersion", "--exact", "--rows"]), ("short-cluster", ["call", "GetVersion", "-vx"]),
  ])
  func aMistakeIsNamedBeforeAnythingIsSent(name: String, arguments: [String]) throws {
    let run = try ProgramRun.bridge(arguments)
    #expect(run.exitCode == 2)
    #expect(run.output.isEmpty)
    #expect(!run.error.contains("sesame"))
    try Snapshot.expect(run, equals: "call-usage-\(name)")
  }

  @Test func aRequestComesFromAFileOrATemplate() throws {
    let sandbox = try SandboxProcess()
    let file = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-call-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try ProgramRun.bridge(["call", "HasCollection", "--template"]).output
      .write(to: file, atomically: true, encoding: .utf8)
    let run = try sandbox.run(["call", "HasCollection", "-d", "@\(file.path)", "--defaults", "--layout", "lines"])
    #expect(run.output.contains(#""value":"#), "\(run)")
    try Snapshot.expect(.bridge(["call", "CreateCollection", "--template"]), equals: "call-template")
  }

  @Test(arguments: [
    ("methods-replicate", ["methods", "replicate", "--long"]), ("methods-glob", ["methods", "list*a*"]),
    ("methods-json", ["methods", "DumpMessages", "--json"]), ("methods-none", ["methods", "zzz"]),
    ("describe-method", ["describe", "DumpMessages"]), ("describe-recursive", ["describe", "GetReplicateInfo", "-r"]),
    ("describe-type", ["describe", "schema.FieldSchema"]), ("describe-enum", ["describe", "ConsistencyLevel"]),
    ("describe-json", ["describe", "CreateCollection", "--json"]), ("describe-unknown", ["describe", "FeildData"]),
    ("describe-several", ["describe", "CreateCollectionRequest"]), ("describe-nothing", ["describe"]),
  ])
  func methodsAndTypesAreExplained(name: String, arguments: [String]) throws {
    try Snapshot.expect(.bridge(arguments), equals: name)
  }

  @Test func listsOfNamesAreForPrograms() throws {
    let methods = try ProgramRun.bridge(["methods", "--names"]).output.split(separator: "\n")
    #expect(methods.count > 100 && methods.contains("Query"))
    let names = try ProgramRun.bridge(["describe", "--names"]).output.split(separator: "\n")
    #expect(names.count > 600 && names.contains("milvus.proto.schema.FieldData"))
  }
}
