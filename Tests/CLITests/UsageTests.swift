import Foundation
import TestSupport
import Testing

/// Wrong usage ends with 2, says what is wrong on standard error and writes nothing to standard output.
@Suite struct UsageTests {
  @Test func `no command at all shows the commands`() throws {
    let run = try ProgramRun.bridge([])
    #expect(run.exitCode == 2)
    #expect(run.output.isEmpty)
    #expect(run.error.contains("usage: cdc-bridge COMMAND"))
  }

  @Test func `a file that cannot be read is named with its reason, and a pipe can`() throws {
    let folder = try ProgramRun.bridge(["list", "--api-token-file", "/"])
    #expect(folder.exitCode == 2)
    #expect(folder.error.contains("the API token file / cannot be read: is a directory."))
    let endless = try ProgramRun.bridge(["list", "--api-token-file", "/dev/zero"])
    #expect(endless.exitCode == 2)
    #expect(endless.error.contains("is larger than"))
    let program = TestPaths.productsDirectory.appending(path: "cdc-bridge").path
    let line = "echo sesame | \"$0\" list --api-token-file /dev/stdin --server http://127.0.0.1:9"
    let pipe = try ProgramRun(URL(filePath: "/bin/sh"), ["-c", line, program], environment: ["PATH": "/usr/bin:/bin"])
    #expect(pipe.error.contains("connection refused"), "\(pipe.error)")
  }

  @Test(arguments: [
    ("unknown-command", ["versoin"]),
    ("unknown-option", ["version", "--verbose"]),
    ("unexpected-argument", ["version", "now"]),
    ("short-option", ["version", "-x"]),
    ("sync-without-source", ["sync", "--target-uri", "http://b:1"]),
    ("sync-bad-uri", ["sync", "--source-uri", "ftp://a", "--target-uri", "http://b:1"]),
    (
      "sync-uri-with-credentials",
      ["sync", "--source-uri", "http://root:sesame@a:1", "--target-uri", "http://b:1"]
    ),
    ("sync-nearest-option", ["sync", "--sorce-uri", "http://a:1"]),
    ("decode-type", ["decode", "--type", "QueryReqest", "--data", "0a00"]),
    ("decode-notation", ["decode", "--notation", "hex", "--data", "0g"]),
    ("tap-fault-method", ["tap", "127.0.0.1:0", "http://127.0.0.1:1", "--fault", "Serch=cut"]),
    ("tap-fault", ["tap", "127.0.0.1:0", "http://127.0.0.1:1", "--fault", "Search=slow"]),
    ("tap-upstream", ["tap", "127.0.0.1:0", "ftp://127.0.0.1:1"]),
    ("dump-from", ["dump", "--from", "yesterday"]),
    ("dump-start-id", ["dump", "--start-id", "CAUQew=="]),
    ("tail-type", ["tail", "--type", "Inserts"]),
    ("tap-listen", ["tap", "127.0.0.1", "http://127.0.0.1:1"]),
    ("sandbox-control", ["sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1"]),
    ("progress-until", ["progress", "films", "--until", "can_cut_over"]),
    ("probe-three", ["probe", "a:1", "b:1", "c:1"]),
    ("replay-native-part", ["replay", "--target-uri", "a:1", "--apply", "native", "--collection", "c", "x.cdcr"]),
    ("replay-native-adopt", ["replay", "--target-uri", "a:1", "--apply", "native", "--adopt", "x.cdcr"]),
    ("replay-follow-until", ["replay", "--target-uri", "a:1", "--follow", "--until", "7", "x.cdcr"]),
    ("salvage-policy", ["salvage", "--old", "http://a:1", "--new", "http://b:1", "--on-conflict", "keep"]),
    ("salvage-new", ["salvage", "--old", "http://a:1"]),
    ("sync-both-ends", ["sync", "--source-uri", "a:1", "--target-uri", "b:1", "--copy-only", "--follow"]),
    ("sync-bad-interval", ["sync", "--source-uri", "a:1", "--target-uri", "b:1", "--interval", "soon"]),
    (
      "sync-token-file-missing",
      ["sync", "--source-uri", "a:1", "--target-uri", "b:1", "--source-token-file", "no/such"]
    ),
    (
      "sync-certificates-without-tls",
      ["sync", "--source-uri", "http://a:1", "--target-uri", "b:1", "--source-ca-file", "x"]
    ),
    (
      "sync-rename-not-selected",
      ["sync", "--source-uri", "a:1", "--target-uri", "b:1", "--collection", "x", "--rename", "y=z"]
    ),
    ("sync-value-twice", ["sync", "--source-uri", "a:1", "--source-uri", "b:1"]),
    ("sync-value-missing", ["sync", "--source-uri"]),
    ("sync-switch-with-value", ["sync", "--adopt=maybe"]),
    ("serve-log-level", ["serve", "--log-level", "inof"]),
    ("serve-listen", ["serve", "--listen", "1.2.3.4:port"]),
    ("serve-half-tls", ["serve", "--tls-cert-file", "a"]),
    ("serve-config-missing", ["serve", "--config", "no/such.json"]),
    ("help-of-unknown-command", ["help", "versio"]),
    ("help-one-too-many", ["help", "version", "help"]),
  ])
  func `a mistake is named, with what was probably meant`(name: String, arguments: [String]) throws {
    let run = try ProgramRun.bridge(arguments)
    #expect(run.exitCode == 2)
    #expect(run.output.isEmpty)
    try Snapshot.expect(run, equals: "usage-\(name)")
  }
}
