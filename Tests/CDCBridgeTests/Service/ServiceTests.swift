@testable import CDCBridge
import MilvusWire
import Synchronization
import Testing

@Suite struct ServiceTests {
  private final class Lines: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
  }

  // MARK: Log

  @Test func theLogWritesOneLinePerEventInBothFormats() {
    let lines = Lines()
    Log(format: .text, timekeeper: ManualTimekeeper(), sink: lines.add).info(
      "task\ncreated", ["task_id": "t 1", "empty": "", "n": "5"])
    Log(format: .json, timekeeper: ManualTimekeeper(), sink: lines.add).error("x", ["a": "\"\n"])
    #expect(
      lines.all == [
        #"2026-11-21T02:33:40.123Z INFO task created task_id="t 1" n=5"#,
        #"{"time":"2026-11-21T02:33:40.123Z","level":"error","message":"x","a":"\"\n"}"#,
      ])
  }

  @Test func levelsBelowTheCurrentOneAreLeftOut() {
    let lines = Lines()
    let log = Log(level: .warning, sink: lines.add)
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.level = .debug
    log.debug("d")
    #expect(lines.all.map { $0.suffix(1) } == ["c", "d"])
  }

  @Test func repeatsAreLimitedAndCounted() {
    let lines = Lines()
    let clock = ManualTimekeeper()
    let log = Log(timekeeper: clock, sink: lines.add)
    for _ in 0..<50 { log.info("again") }
    log.info("other")
    #expect(lines.all.count == 21)
    clock.advance(by: .seconds(60))
    log.info("again")
    #expect(lines.all.last?.hasSuffix("again repeats_left_out=30") == true)
  }

  // MARK: Configuration

  @Test(arguments: [
    ("127.0.0.1:8444", "127.0.0.1", 8444), (":9000", "", 9000), ("0.0.0.0:0", "0.0.0.0", 0),
    ("[::1]:1", "::1", 1),
    ("localhost", "localhost", 8444), ("[::]", "::", 8444), ("bridge.example:80", "bridge.example", 80),
  ])
  func addressesToListenOn(text: String, host: String, port: Int) {
    #expect(ListenAddress(parsing: text) == ListenAddress(host: host, port: port))
  }

  @Test(arguments: [
    "", "a:", "a:x", "a:65536", "a:-1", "::1:80", "[::1", "a b:1", "http://a:1", "a:1:2", "[]:1",
  ])
  func whatIsNoAddressIsRefused(text: String) { #expect(ListenAddress(parsing: text) == nil) }

  @Test func withoutTokenAndTLSOnlyThisHostMayAsk() {
    var config = BridgeConfig(dataDirectory: "d")
    #expect(config.listenAddress.description == "127.0.0.1:8444" && !config.isOpenToStrangers)
    config.apiToken = Secret("t")
    #expect(config.listenAddress.description == "0.0.0.0:8444" && !config.isOpenToStrangers)
    config.apiToken = nil
    config.listen = ListenAddress(host: "0.0.0.0", port: 1)
    #expect(config.isOpenToStrangers)
    config.listen = ListenAddress(host: "::1", port: 1)
    #expect(!config.isOpenToStrangers)
  }

  @Test func theShownConfigurationHoldsNoSecret() throws {
    var config = BridgeConfig(dataDirectory: "d")
    config.apiToken = Secret("s3cret-api")
    config.source = ClusterConnection(
      endpoint: try Endpoint(parsing: "https://h:1"), token: Secret("root:s3cret-source"))
    let text = JSONWriter().text(of: config.redacted)
    #expect(!text.contains("s3cret") && !text.contains("root"))
    #expect(text.contains(#""api_token":"<redacted>""#) && text.contains(#""uri":"https://h:1""#))
    #expect(!"\(config)".contains("s3cret"))
  }

  @Test(arguments: [
    ("http://u:p@h:1/x", "http://<redacted>@h:1/x"), ("http://h:1", "http://h:1"), ("u:p@h", "<redacted>@h"),
    ("h:1", "h:1"), ("https://u:p/w@h", "https://<redacted>@h"), ("http://a@b@h", "http://<redacted>@h"),
    ("", ""),
  ])
  func credentialsAreTakenOutOfAddresses(text: String, shown: String) {
    #expect(Redaction.address(text) == shown)
  }

  // MARK: Service group

  private struct Part: Service {
    let name: String
    let lines: Lines
    let endsWhenStopped: Bool
    private let gate = AsyncStream.makeStream(of: Void.self)
    init(_ name: String, _ lines: Lines, endsWhenStopped: Bool = true) {
      (self.name, self.lines, self.endsWhenStopped) = (name, lines, endsWhenStopped)
    }
    func run() async {
      for await _ in gate.stream {}
      lines.add("\(name) \(Task.isCancelled ? "cancelled" : "ended")")
    }
    func stop() async {
      lines.add("stop \(name)")
      if endsWhenStopped { gate.continuation.finish() }
    }
  }

  @Test(.timeLimit(.minutes(5))) func servicesStopInReverseOrder() async {
    let lines = Lines()
    await ServiceGroup([Part("a", lines), Part("b", lines)], timekeeper: ManualTimekeeper()).run {}
    #expect(lines.all == ["stop b", "b ended", "stop a", "a ended"])
  }

  @Test(.timeLimit(.minutes(5))) func aServiceThatDoesNotStopIsCancelledAfterItsGrace() async {
    let lines = Lines()
    let clock = ManualTimekeeper()
    async let group: Void = ServiceGroup(
      [Part("a", lines), Part("b", lines, endsWhenStopped: false)], grace: .seconds(3), timekeeper: clock
    ).run {}
    await clock.waitForSleeper(until: .seconds(3))
    #expect(lines.all == ["stop b"])
    clock.advance(by: .seconds(3))
    await group
    #expect(lines.all == ["stop b", "b cancelled", "stop a", "a ended"])
  }
}
