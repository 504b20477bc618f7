internal import MilvusWire

/// Cases about amounts and about a channel's life; a test steers them through standard input. What they end with is printed,
/// and a stream's case then waits for the end of its input: until then the test can read how much memory it took.
enum VolumeCases {
  static let all: [String: ClientCommand.Case] = [
    "relay": relay,
    "download": download,
    "paused_download": pausedDownload,
    "upload": upload,
    "concurrent_unary": concurrentUnary,
    "calls": calls,
  ]

  private static let relayMessageBytes = 1 << 20

  /// Sends standard input in messages of 1 MiB to `wireinterop.Relay/Echo` and writes what comes back to standard output.
  private static func relay(_ context: ClientCommand.Context) async throws {
    let call = try await context.channel.open(path: "/wireinterop.Relay/Echo", timeout: context.timeout)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        while true {
          let bytes = StandardStreams.readInput(bytes: relayMessageBytes)
          if bytes.isEmpty { return try await call.closeSend() }
          try await call.send(bytes)
        }
      }
      group.addTask {
        while let message = try await call.receive() { StandardStreams.write(message, to: .output) }
      }
      try await group.waitForAll()
    }
  }

  /// Takes `--count` messages of `--bytes`.
  private static func download(_ context: ClientCommand.Context) async throws {
    let call = try await openDownload(context)
    try await finishDownload(call, received: 0)
  }

  /// Takes one message, prints `paused`, and takes the others after a line on standard input.
  private static func pausedDownload(_ context: ClientCommand.Context) async throws {
    let call = try await openDownload(context)
    guard let first = try await call.receive() else { throw CaseFailure("no message") }
    StandardStreams.write("paused\n", to: .output)
    _ = readLine()
    try await finishDownload(call, received: try TestMessages.payloadBytes(ofResponse: first))
  }

  private static func openDownload(_ context: ClientCommand.Context) async throws -> RPCCall {
    let call = try await context.open("StreamingOutputCall")
    try await call.send(
      TestMessages.outputRequest(sizes: Array(repeating: context.bytes, count: context.count)))
    try await call.closeSend()
    return call
  }

  private static func finishDownload(_ call: RPCCall, received: Int) async throws {
    var total = received
    while let message = try await call.receive() {
      total += try TestMessages.payloadBytes(ofResponse: message)
    }
    StandardStreams.write("received \(total) bytes\n", to: .output)
    waitForEndOfInput()
  }

  private static func waitForEndOfInput() {
    while readLine() != nil {}
  }

  /// Sends `--count` messages with `--bytes` of payload.
  private static func upload(_ context: ClientCommand.Context) async throws {
    let call = try await context.open("StreamingInputCall")
    let message = TestMessages.withPayload(bytes: context.bytes)
    for _ in 0..<context.count { try await call.send(message) }
    try await call.closeSend()
    let total = try TestMessages.aggregatedSize(of: try await NamedCases.only(call))
    StandardStreams.write("the server received \(total) bytes\n", to: .output)
    waitForEndOfInput()
  }

  /// `--count` calls at the same time, each of its own size, so that no answer can pass for another.
  private static func concurrentUnary(_ context: ClientCommand.Context) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 1...max(1, context.count) {
        group.addTask {
          let request = TestMessages.simpleRequest(responseSize: index, payloadBytes: index)
          let response = try await context.unary("UnaryCall", request)
          try expect("payload", try TestMessages.payloadBytes(ofResponse: response), index)
        }
      }
      try await group.waitForAll()
    }
    StandardStreams.write("\(context.count) calls\n", to: .output)
  }

  /// One `EmptyCall` for each line of standard input, over the same channel; prints `ok` or the error for each.
  private static func calls(_ context: ClientCommand.Context) async throws {
    while readLine() != nil {
      do {
        _ = try await context.unary("EmptyCall", [])
        StandardStreams.write("ok\n", to: .output)
      } catch {
        StandardStreams.write("\(error)\n", to: .output)
      }
    }
  }
}
