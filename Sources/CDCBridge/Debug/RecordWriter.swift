package import MilvusWire

/// Writes a recording: appends blocks, each in one write, so that a crash leaves whole blocks and at most one that ends early.
///
/// Messages are collected into blocks of `blockBytes`, or until `flush`. Secrets are written as the log has them: a recording is as secret as
/// the log, and its file is readable by its owner alone.
package final class RecordWriter: Sendable {
  package struct Totals: Sendable, Equatable {
    package var messages = 0
    package var messageBytes = 0
    package var fileBytes = 0
  }
  private struct State {
    var body = WireWriter()
    var calls = WireWriter()
    var totals = Totals()
  }
  package static let blockBytes = 128 << 10

  private let file: LocalFile
  private let compresses: Bool
  private let state = Locked(State())

  package init(_ file: LocalFile, compresses: Bool) {
    self.file = file
    self.compresses = compresses
  }

  package var totals: Totals { state.withLock { $0.totals } }

  package func begin(_ head: JSONObject) throws { try write(.head, JSONWriter().bytes(of: .object(head))) }

  package func catalog(_ value: JSONValue) throws { try write(.catalog, JSONWriter().bytes(of: value)) }

  package func note(_ text: String) throws {
    try flush()
    try write(.note, JSONWriter().bytes(of: .object(["note": .string(text)])))
  }

  /// What a recording ends with in good order: whoever follows the file need not wait for more.
  package func end(_ body: JSONObject) throws {
    try flush()
    try write(.end, JSONWriter().bytes(of: .object(body)))
  }

  package func append(_ message: LogMessage, pchannel: String) throws {
    let isFull = state.withLock { state in
      var entry = WireWriter(capacity: message.byteCount + pchannel.utf8.count + 16)
      entry.string(1, pchannel)
      entry.lengthDelimited(2, message.bytes[message.range])
      state.body.lengthDelimited(1, entry.bytes)
      state.totals.messages += 1
      state.totals.messageBytes = state.totals.messageBytes &+ message.byteCount
      return state.body.bytes.count >= Self.blockBytes
    }
    if isFull { try flush() }
  }

  package func append(_ call: RecordedCall) throws {
    let isFull = state.withLock { state in
      state.calls.lengthDelimited(1, call.encoded)
      return state.calls.bytes.count >= Self.blockBytes
    }
    if isFull { try flush() }
  }

  /// Writes what is collected.
  package func flush() throws {
    let (body, calls) = state.withLock { state in
      defer { (state.body, state.calls) = (WireWriter(), WireWriter()) }
      return (state.body.bytes, state.calls.bytes)
    }
    if !body.isEmpty { try write(.messages, body) }
    if !calls.isEmpty { try write(.calls, calls) }
  }

  /// Writes what is collected and waits until it is on the disk.
  package func sync() throws {
    try flush()
    try file.sync()
  }

  private func write(_ kind: RecordFormat.Kind, _ body: [UInt8]) throws {
    let block = RecordFormat.block(kind, body, compresses: compresses)
    state.withLock { $0.totals.fileBytes = $0.totals.fileBytes &+ block.count }
    try file.write(block)
  }
}
