internal import MilvusWire

/// Prints the answers of a call one by one, and remembers whether one of them says that Milvus failed.
final class AnswerPrinter: Sendable {
  private struct State {
    var count = 0
    var byteCount = 0
    var failure: MilvusStatus?
    /// What has been said of a stream is not said again with every message.
    var told: [WireOddity] = []
  }
  private let options: AnswerOptions
  private let state = Locked(State())

  init(options: AnswerOptions) { self.options = options }

  /// Messages that were printed.
  var count: Int { state.withLock { $0.count } }
  /// Their bytes without gRPC's prefixes.
  var byteCount: Int { state.withLock { $0.byteCount } }
  /// The first Status of an answer that is not success.
  var failure: MilvusStatus? { state.withLock { $0.failure } }

  func take(_ bytes: [UInt8]) throws {
    let (json, oddities) = try options.form.decode(bytes, as: options.type)
    let status = try MilvusStatus.read(from: bytes, of: options.type)
    let news = state.withLock { state in
      state.count += 1
      state.byteCount += bytes.count
      if !status.isSuccess, state.failure == nil { state.failure = status }
      let news = oddities.filter { oddity in
        !state.told.contains { $0.type == oddity.type && $0.number == oddity.number && $0.kind == oddity.kind }
      }
      state.told += news
      return news
    }
    Console.print(JSONWriter(layout: options.layout).text(of: json))
    for oddity in news { Console.error("* \(oddity)") }
  }
}

/// Durations of a call for a person.
enum TimingText {
  static func text(_ reading: CallTiming.Reading, _ answers: AnswerPrinter) -> String {
    func row(_ name: String, _ duration: Duration?) -> String? {
      duration.map { "* \(name)  \(milliseconds($0))" }
    }
    let rows = [
      row("connect     ", reading.connecting), row("first header", reading.firstHeader),
      row("first byte  ", reading.firstByte), row("total       ", reading.total),
    ].compactMap { $0 }
    let sent = "sent \(messages(reading.sentMessages, bytes: reading.sentBytes))"
    let received = "received \(messages(answers.count, bytes: answers.byteCount))"
    return (rows + ["* \(sent); \(received)"]).joined(separator: "\n")
  }

  private static func messages(_ count: Int, bytes: Int) -> String {
    "\(count) \(count == 1 ? "message" : "messages") of \(NumberText.grouped(Int64(bytes))) bytes"
  }
  private static func milliseconds(_ duration: Duration) -> String {
    let microseconds = (duration / .microseconds(1)).rounded()
    return "\(Int64(microseconds) / 1000).\(padded(Int64(microseconds) % 1000)) ms"
  }
  private static func padded(_ thousandths: Int64) -> String {
    String(repeating: "0", count: 3 - String(thousandths).count) + String(thousandths)
  }
}
