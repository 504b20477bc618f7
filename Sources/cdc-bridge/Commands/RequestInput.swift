internal import MilvusWire

/// The requests of a call: from an argument, a file, or standard input as it arrives.
actor RequestInput {
  /// Whole files are read; a request is at most what servers take.
  private static let fileBytesMax = 256 << 20

  private let form: MessageJSON
  private let type: MessageDescriptor
  /// What an error names as the place.
  private let place: String
  private var values: JSONSequence
  private var ready: [[UInt8]] = []
  /// Standard input may have more.
  private var isOpen: Bool

  private init(_ type: MessageDescriptor, place: String, isOpen: Bool) {
    self.type = type
    self.place = place
    self.isOpen = isOpen
    var form = MessageJSON()
    form.presentation = MilvusPresentation()
    self.form = form
    values = JSONSequence(
      limits: JSONParser.Limits(bytesMax: Self.fileBytesMax, valueCountMax: 100_000_000, refusesRepeatedKeys: true))
  }

  /// Everything that is known before the call begins is checked here: wrong JSON connects to nobody.
  static func open(_ call: MethodCall, _ invocation: Invocation) async throws -> RequestInput {
    let (argument, data) = (invocation.argument("JSON"), try invocation.string("data"))
    guard argument == nil || data == nil else {
      throw UsageError("the request is given twice: as an argument and by --data.")
    }
    let takesMany = call.method.clientStreaming
    guard let text = argument ?? data ?? (takesMany ? "@-" : nil) else {
      let input = RequestInput(call.requestType, place: "request", isOpen: false)
      await input.add(empty: ())
      return input
    }
    if text == "@-" {
      let input = RequestInput(call.requestType, place: "standard input", isOpen: true)
      if !takesMany { try await input.takeOne() }
      return input
    }
    let isFile = text.hasPrefix("@")
    let path = String(text.dropFirst())
    let bytes = isFile ? try InputFile.read(path, what: "the request", bytesMax: fileBytesMax) : Array(text.utf8)
    let input = RequestInput(call.requestType, place: isFile ? path : "request", isOpen: false)
    try await input.takeAll(bytes, one: !takesMany)
    return input
  }

  /// The next request, encoded; nil after the last one.
  func next() async throws -> [UInt8]? {
    while true {
      if !ready.isEmpty { return ready.removeFirst() }
      if let value = try value() { return try encoded(value) }
      guard isOpen else { return nil }
      guard let bytes = await StandardStreams.nextInput() else {
        isOpen = false
        values.finish()
        continue
      }
      values.append(bytes)
    }
  }

  private func add(empty: Void) { ready = [[]] }

  private func takeOne() async throws {
    var all: [[UInt8]] = []
    while let request = try await next() { all.append(request) }
    try keep(one: all)
  }

  private func takeAll(_ bytes: [UInt8], one: Bool) throws {
    values.append(bytes)
    values.finish()
    var all: [[UInt8]] = []
    while let value = try value() { all.append(try encoded(value)) }
    if one { try keep(one: all) } else { ready = all }
  }

  private func keep(one all: [[UInt8]]) throws(UsageError) {
    guard all.count == 1 else {
      throw UsageError("\(place): the call takes one request, \(all.count) are given.")
    }
    ready = all
  }

  private func value() throws(UsageError) -> JSONValue? {
    do throws(JSONError) { return try values.next() } catch { throw UsageError("\(place), \(error).") }
  }

  private func encoded(_ value: JSONValue) throws(UsageError) -> [UInt8] {
    do throws(ProtobufError) { return try form.bytes(of: value, as: type) } catch {
      throw UsageError("\(place): \(error)\(error.message.hasSuffix("?") ? "" : ".")")
    }
  }
}
