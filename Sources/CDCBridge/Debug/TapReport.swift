package import MilvusWire

/// What a tap shows: a line for each call, on request its metadata and messages, and a summary of all calls at the end.
///
/// Lines are handed to `emit` in the order in which they are made, on whichever thread an event came; `emit` must not wait for a peer.
package final class TapReport: TapObserver {
  package struct Options: Sendable {
    /// Only methods whose name holds one of these; empty: all.
    package var methods: [String] = []
    /// Only calls that failed, in gRPC or in Milvus.
    package var failuresOnly = false
    /// Only calls that took this long.
    package var slowerThan: Duration?
    /// Metadata, with secrets replaced.
    package var showsMetadata = false
    /// Requests and answers as JSON.
    package var showsMessages = false
    package var isJSON = false
    package var view = ReadableMessage.Options()
    package init() {}
  }
  private struct Open {
    let call: TapCall
    let method: MilvusWire.Method?
    /// Held back until the call is known to be shown.
    var lines: [String] = []
    var milvus: MilvusStatus?
    var events: [JSONValue] = []
    var saidRequestCompression = false
    var saidAnswerCompression = false
  }
  private struct State {
    var open: [Int: Open] = [:]
    var totals: [String: Total] = [:]
  }
  private struct Total {
    var count = 0
    var failures = 0
    var bytes = 0
    /// Of the last calls, in microseconds: enough for a median.
    var times: [Int64] = []
  }
  private static let timesMax = 10_000
  /// Messages of one call that are kept for showing; a stream may have no end.
  private static let heldLinesMax = 1000

  private let options: Options
  private let emit: @Sendable (String) -> Void
  private let state = Locked(State())
  private let readable: ReadableMessage

  package init(_ options: Options, emit: @escaping @Sendable (String) -> Void) {
    self.options = options
    self.emit = emit
    readable = ReadableMessage(options.view)
  }

  package func record(_ event: TapEvent) {
    let lines: [String]
    switch event {
    case .began(let number, let call): lines = began(number, call)
    case .fault(let number, let fault): lines = note(number, "fault: \(fault)", ["fault": .string(fault.description)])
    case .request(let number, let bytes): lines = message(number, bytes, isRequest: true)
    case .headers(let number, let metadata): lines = metadataLines(number, metadata, "<")
    case .response(let number, let bytes): lines = message(number, bytes, isRequest: false)
    case .ended(let number, let status, let duration, let meter): lines = ended(number, status, duration, meter)
    }
    for line in lines { emit(line) }
  }

  // MARK: Events

  /// Streams show what they do as it happens; a call with one answer is shown when it has ended.
  private func isStream(_ open: Open) -> Bool { open.method.map { !$0.isUnary } ?? false }
  private var isChosenAtEnd: Bool { options.failuresOnly || options.slowerThan != nil }

  private func began(_ number: Int, _ call: TapCall) -> [String] {
    var open = Open(call: call, method: Method.named(call.path))
    var lines: [String] = []
    if isStream(open), isWanted(call), !isChosenAtEnd, !options.isJSON {
      lines.append("#\(number) \(call.name) from \(call.client) ...")
    }
    if options.showsMetadata {
      for line in Self.lines(of: call.metadata, ">") { add(line, number, &open, &lines) }
      if let timeout = call.timeout { add("> timeout \(Self.text(timeout))", number, &open, &lines) }
    }
    state.withLock { $0.open[number] = open }
    return lines
  }

  private func isWanted(_ call: TapCall) -> Bool {
    options.methods.isEmpty || options.methods.contains { call.name.lowercased().contains($0.lowercased()) }
  }

  /// A line of a stream goes out, one of another call waits for its end.
  private func add(_ line: String, _ number: Int, _ open: inout Open, _ lines: inout [String]) {
    guard isWanted(open.call) else { return }
    let line = "    \(SafeText.line(line))"
    if isStream(open), !isChosenAtEnd, !options.isJSON {
      lines.append("#\(number)\(line)")
    } else if open.lines.count < Self.heldLinesMax {
      open.lines.append(line)
    }
  }

  private func note(_ number: Int, _ text: String, _ json: JSONObject) -> [String] {
    state.withLock { state in
      guard var open = state.open[number] else { return [] }
      var lines: [String] = []
      add("* \(text)", number, &open, &lines)
      open.events.append(.object(json))
      state.open[number] = open
      return lines
    }
  }

  private func metadataLines(_ number: Int, _ metadata: Metadata, _ sign: String) -> [String] {
    guard options.showsMetadata else { return [] }
    return state.withLock { state in
      guard var open = state.open[number] else { return [] }
      var lines: [String] = []
      for line in Self.lines(of: metadata, sign) { add(line, number, &open, &lines) }
      state.open[number] = open
      return lines
    }
  }

  private func message(_ number: Int, _ message: TapMessage, isRequest: Bool) -> [String] {
    let bytes = message.bytes
    guard var open = state.withLock({ $0.open[number] }) else { return [] }
    var lines: [String] = []
    let typeName = isRequest ? open.method?.requestType : open.method?.responseType
    let type = typeName.flatMap { MessageDescriptor(named: $0) }
    let isReadable = message.compression?.isUnpacked ?? true
    if !isRequest, isReadable, open.milvus == nil, let type, let status = try? MilvusStatus.read(from: bytes, of: type) {
      open.milvus = status
    }
    if let compression = message.compression { note(compression, isRequest, number, &open, &lines) }
    if options.showsMessages, isWanted(open.call) {
      let value = isReadable ? json(bytes, type) : .string("\(bytes.count) compressed bytes")
      if options.isJSON, open.events.count < Self.heldLinesMax {
        var event: JSONObject = [isRequest ? "request" : "response": value, "bytes": .int(bytes.count)]
        if let compression = message.compression {
          event["compression"] = .string(compression.encoding)
          event["wire_bytes"] = .int(compression.wireBytes)
        }
        open.events.append(.object(event))
      } else {
        add("\(isRequest ? ">" : "<") \(JSONWriter().text(of: value))", number, &open, &lines)
      }
    }
    state.withLock { $0.open[number] = open }
    return lines
  }

  /// Said once for each direction of a call: it is rare, and explains what other tools show.
  private func note(_ compression: TapMessage.Compression, _ isRequest: Bool, _ number: Int, _ open: inout Open, _ lines: inout [String]) {
    let isFirst = isRequest ? !open.saidRequestCompression : !open.saidAnswerCompression
    if isRequest { open.saidRequestCompression = true } else { open.saidAnswerCompression = true }
    guard isFirst, !options.isJSON else { return }
    add("* \(isRequest ? "requests" : "answers") are \(compression.text)", number, &open, &lines)
  }

  /// Messages of the log are shown as such, unknown ones as wire text.
  private func json(_ bytes: [UInt8], _ type: MessageDescriptor?) -> JSONValue {
    if type?.name == "milvus.proto.milvus.DumpMessagesResponse", let message = (try? LogMessage(dumpResponse: bytes)) ?? nil {
      return LogMessageView(options.view).json(of: message)
    }
    if let type, let value = try? readable.json(of: bytes, as: type) { return value }
    return (try? WireTree(bytes))?.json ?? .string("\(bytes.count) bytes that are no message")
  }

  private func ended(_ number: Int, _ status: RPCStatus, _ duration: Duration, _ meter: TapMeter) -> [String] {
    state.withLock { state in
      guard var open = state.open.removeValue(forKey: number) else { return [] }
      let milvus = open.milvus.flatMap { $0.isSuccess ? nil : $0 }
      let isFailure = status.code != .ok || milvus != nil
      var total = state.totals[open.call.name] ?? Total()
      total.count += 1
      if isFailure { total.failures += 1 }
      total.bytes = total.bytes &+ meter.requestBytes &+ meter.responseBytes
      if total.times.count < Self.timesMax { total.times.append(Self.microseconds(duration)) }
      state.totals[open.call.name] = total
      guard isWanted(open.call), !options.failuresOnly || isFailure, options.slowerThan.map({ duration >= $0 }) ?? true else { return [] }
      if options.isJSON { return [Self.json(number, open, status, milvus, duration, meter)] }
      var lines: [String] = []
      if options.showsMetadata { for line in Self.lines(of: status.trailers, "<") { add(line, number, &open, &lines) } }
      return ["#\(number) \(Self.summary(open.call, status, milvus, duration, meter))"] + lines + open.lines
    }
  }

  // MARK: Texts

  private static func summary(_ call: TapCall, _ status: RPCStatus, _ milvus: MilvusStatus?, _ duration: Duration, _ meter: TapMeter)
    -> String
  {
    var text = "\(call.name) \(status.code == .ok ? "OK" : "\(status.code)") \(Self.text(duration))"
    text += ", \(meter.requests) sent \(meter.requestBytes) B, \(meter.responses) received \(meter.responseBytes) B"
    if !status.message.isEmpty { text += ": \(status.message)" }
    if let milvus { text += ", Milvus \(milvus.decidingCode): \(milvus.reason)" }
    return SafeText.line(text)
  }

  private static func json(
    _ number: Int, _ open: Open, _ status: RPCStatus, _ milvus: MilvusStatus?, _ duration: Duration, _ meter: TapMeter
  ) -> String {
    var object: JSONObject = [
      "call": .int(number), "method": .string(open.call.name), "client": .string(open.call.client), "status": .string("\(status.code)"),
      "milliseconds": .double(Double(microseconds(duration)) / 1000), "requests": .int(meter.requests),
      "request_bytes": .int(meter.requestBytes),
      "responses": .int(meter.responses), "response_bytes": .int(meter.responseBytes),
    ]
    if !status.message.isEmpty { object["message"] = .string(status.message) }
    if let milvus { object["milvus"] = .object(["code": .int(milvus.decidingCode), "reason": .string(milvus.reason)]) }
    if !open.events.isEmpty { object["events"] = .array(open.events) }
    return JSONWriter().text(of: .object(object))
  }

  private static let secretNames: Set<String> = ["authorization", "cookie", "set-cookie", "proxy-authorization"]

  private static func lines(of metadata: Metadata, _ sign: String) -> [String] {
    metadata.entries.map { entry in
      switch entry.value {
      case .text(let text): "\(sign) \(entry.name): \(secretNames.contains(entry.name) ? SecretFields.placeholder : text)"
      case .binary(let bytes): "\(sign) \(entry.name): \(bytes.count) bytes"
      }
    }
  }

  static func microseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds &* 1_000_000 &+ attoseconds / 1_000_000_000_000
  }

  static func text(_ duration: Duration) -> String {
    let milliseconds = Double(microseconds(duration)) / 1000
    let rounded = (milliseconds * 10).rounded() / 10
    return milliseconds < 10_000 ? "\(rounded) ms" : "\((milliseconds / 100).rounded() / 10) s"
  }

  /// A line for each method, the most often called first.
  package var summary: [String] {
    let totals = state.withLock { $0.totals }
    guard !totals.isEmpty else { return ["no calls"] }
    return totals.sorted { ($0.value.count, $1.key) > ($1.value.count, $0.key) }.map { name, total in
      let times = total.times.sorted()
      func quantile(_ share: Double) -> String {
        let place = min(times.count - 1, Int(Double(times.count) * share))
        return place < 0 ? "-" : Self.text(.microseconds(times[place]))
      }
      return "\(total.count) \(name), \(total.failures) failed, p50 \(quantile(0.5)), p99 \(quantile(0.99)), \(total.bytes) bytes"
    }
  }
}
