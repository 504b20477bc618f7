internal import MilvusWire

/// Writes every call that goes through a tap into a recording: when it began and how it ended, requests and answers. Messages of a log, what DumpMessages
/// answers and CreateReplicateStream is sent, are written as such, so that the file can be replayed.
///
/// Observers are called on connection loops, so what is to be written is handed over to a task of the owner (`run`), which writes the file. At most
/// `waitingBytesMax` wait; more is left out, counted, and noted in the recording.
package final class TapRecorder: TapObserver {
  private static let waitingBytesMax = 64 << 20

  private enum Waiting {
    case log(LogMessage, pchannel: String)
    case call(RecordedCall)
  }
  private struct State {
    /// By call; nil: a replicate stream, whose messages name their channels.
    var pchannels: [Int: String?] = [:]
    var waiting: [Waiting] = []
    var waitingBytes = 0
    var leftOut = 0
  }
  private let writer: RecordWriter
  private let time: RunnerTime
  private let state = Locked(State())

  package init(_ writer: RecordWriter, time: RunnerTime = .system) {
    self.writer = writer
    self.time = time
  }

  package func record(_ event: TapEvent) {
    switch event {
    case .began(let number, let call):
      if call.name == "DumpMessages" { state.withLock { $0.pchannels[number] = .some("") } }
      if call.name == "CreateReplicateStream" { state.withLock { $0.pchannels[number] = .some(nil) } }
      note(number, .began) { ($0.path, $0.client) = (call.path, call.client) }
    case .request(let number, let message):
      if !request(number, message.bytes) { note(number, .request, message) }
    case .response(let number, let message):
      if !response(number, message.bytes) { note(number, .answer, message) }
    case .ended(let number, let status, _, _):
      state.withLock { $0.pchannels[number] = nil }
      note(number, .ended) { ($0.status, $0.text) = (status.code, status.message) }
    case .fault, .headers: break
    }
  }

  private func note(_ number: Int, _ what: RecordedCall.What, _ message: TapMessage) {
    note(number, what) { call in
      call.message = message.bytes
      if let compression = message.compression, !compression.isUnpacked { call.encoding = compression.encoding }
    }
  }

  private func note(_ number: Int, _ what: RecordedCall.What, _ fill: (inout RecordedCall) -> Void) {
    var call = RecordedCall(number: UInt64(clamping: number), what, unixMs: UInt64(clamping: time.unixMs()))
    fill(&call)
    add(.call(call), byteCount: call.byteCount)
  }

  /// True where it was a message of a log.
  private func request(_ number: Int, _ bytes: [UInt8]) -> Bool {
    guard let pchannel = state.withLock({ $0.pchannels[number] }) else { return false }
    if pchannel != nil {
      if let request = try? DumpRequest(encoded: bytes) { state.withLock { $0.pchannels[number] = .some(request.pchannel) } }
      return false
    }
    guard let message = Self.replicated(bytes) else { return false }
    add(.log(message, pchannel: message.pchannel), byteCount: message.byteCount)
    return true
  }

  private func response(_ number: Int, _ bytes: [UInt8]) -> Bool {
    guard case let pchannel?? = state.withLock({ $0.pchannels[number] }), let message = (try? LogMessage(dumpResponse: bytes)) ?? nil else {
      return false
    }
    add(.log(message, pchannel: pchannel), byteCount: message.byteCount)
    return true
  }

  /// `ReplicateRequest {replicate_message 1 {source_cluster_id 1, message 2}}`.
  private static func replicated(_ bytes: [UInt8]) -> LogMessage? {
    func inner(_ number: UInt32, _ range: Range<Int>) -> Range<Int>? {
      var reader = WireReader(bytes, in: range)
      var found: Range<Int>?
      while let field = try? reader.next() { if field.number == number { found = field.range } }
      return found
    }
    guard let envelope = inner(1, 0..<bytes.count), let message = inner(2, envelope) else { return nil }
    return try? LogMessage(immutableMessage: Array(bytes[message]))
  }

  private func add(_ entry: Waiting, byteCount: Int) {
    state.withLock { state in
      guard state.waitingBytes + byteCount <= Self.waitingBytesMax else {
        state.leftOut += 1
        return
      }
      state.waitingBytes += byteCount
      state.waiting.append(entry)
    }
  }

  /// Writes what has come, now and then, until the task is cancelled; then the rest.
  package func run(every period: Duration = .milliseconds(200)) async throws {
    while (try? await Task.sleep(for: period)) != nil { try write() }
    try write()
    try writer.sync()
  }

  private func write() throws {
    let (waiting, leftOut) = state.withLock { state in
      defer { (state.waiting, state.waitingBytes, state.leftOut) = ([], 0, 0) }
      return (state.waiting, state.leftOut)
    }
    for entry in waiting {
      switch entry {
      case .log(let message, let pchannel): try writer.append(message, pchannel: pchannel)
      case .call(let call): try writer.append(call)
      }
    }
    if leftOut > 0 { try writer.note("\(leftOut) messages were left out: they came faster than they could be written") }
    try writer.flush()
  }
}

/// Several observers of one tap.
package struct TapObservers: TapObserver {
  private let all: [any TapObserver]
  package init(_ all: [any TapObserver]) { self.all = all }
  package func record(_ event: TapEvent) { for observer in all { observer.record(event) } }
}
