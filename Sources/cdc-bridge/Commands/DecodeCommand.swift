internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge decode`: what bytes of the protocol are.
enum DecodeCommand {
  static let command = Command(
    name: "decode", topic: .log, summary: "what bytes of the protocol are: messages, streams, whole connections",
    description: """
      Reads bytes from a file, the standard input or --data and prints what they are: recordings of `record` and `tap`, messages of the log, any message of Milvus with --type, \
      files of length-delimited messages, gRPC streams, one direction of an HTTP/2 connection with its frames and headers. Bytes of unknown \
      type are shown as wire text: field numbers with what they seem to hold.

      Hexadecimal and base64 text is recognised. What is damaged is named with its offset, and what is whole is printed all the same; the \
      exit code is then 1.
      """,
    options: [
      Command.OptionGroup(
        title: "what",
        options: [
          CommandOption(
            name: "type", placeholder: "TYPE", help: "The messages are of this type, such as QueryRequest or milvus.proto.common.Status."),
          CommandOption(
            name: "form", placeholder: "FORM", help: "How messages stand in the bytes (default: as they look).",
            choices: PayloadDecoder.Form.allCases.map(\.rawValue)),
          CommandOption(
            name: "notation", placeholder: "NOTATION", help: "How the bytes are written down (default: as they look).",
            choices: ByteNotation.allCases.map(\.rawValue)),
          CommandOption(name: "data", placeholder: "TEXT", help: "The bytes themselves, in hexadecimal or base64."),
        ]), LogViewOptions.look,
    ],
    arguments: [CommandArgument(name: "FILE", help: "The file; - or nothing: standard input.", isRequired: false)],
    examples: [
      .init(purpose: "A message that somebody pasted into a ticket.", line: "cdc-bridge decode --data 0a06080112026869"),
      .init(purpose: "An answer of a server.", line: "cdc-bridge decode --type DescribeCollectionResponse answer.bin"),
      .init(purpose: "What went over a connection.", line: "cdc-bridge decode --form http2 captured.bin"),
    ]
  ) { try run($0) }

  private static func run(_ invocation: Invocation) throws -> ExitCode {
    let isJSON = try invocation.flag("json")
    let isBrief = try invocation.flag("brief")
    let view = try LogViewOptions.view(invocation, isJSON: isJSON)
    let decoder = PayloadDecoder(type: try invocation.string("type").map(messageType), options: view)
    let form = try invocation.string("form").flatMap { PayloadDecoder.Form(rawValue: $0) }
    let printer = FoundText(view: view, isBrief: isBrief)
    let input: [UInt8]
    if let text = try invocation.string("data") {
      guard invocation.argument("FILE") == nil else { throw UsageError("--data and a FILE exclude each other.") }
      input = Array(text.utf8)
    } else {
      let source = try ByteSource(invocation.argument("FILE") ?? "-")
      if RecordReader.isRecording(source.beginning) {
        return try decodeRecording(source, view, isJSON: isJSON, isBrief: isBrief)
      }
      input = try source.rest()
    }
    var problems = 0
    decoder.decode(try bytes(input, invocation), as: form) { found in
      if case .problem = found.item { problems += 1 }
      if isJSON {
        Console.print(JSONWriter().text(of: printer.json(found)))
      } else {
        for line in printer.lines(found) { Console.print(line) }
      }
    }
    return problems == 0 ? .success : .failure
  }

  /// Block by block: a recording may be larger than the memory.
  private static func decodeRecording(_ source: ByteSource, _ view: ReadableMessage.Options, isJSON: Bool, isBrief: Bool) throws -> ExitCode
  {
    var reader = RecordReader(read: { try source.read(bytesMax: $0) })
    let log = LogMessageView(view)
    var textOptions = LogMessageText.Options()
    textOptions.showsContent = !isBrief
    let text = LogMessageText(log, textOptions)
    var calls = RecordedCallView(view)
    // Names, which most messages leave out, from the catalogue and what came before.
    var book = NameBook()
    var isWhole = true
    while !StandardStreams.isOutputGone, let found = try reader.next() {
      switch found.item {
      case .message(let message, let pchannel):
        let subject = LogSubject(message)
        book.learn(message, subject)
        let path = book.path(subject)
        if isJSON {
          var object = log.json(of: message, pchannel: pchannel).objectValue ?? JSONObject()
          if let path { (object["database"], object["collection"]) = (.string(path.database), .string(path.name)) }
          Console.print(JSONWriter().text(of: .object(object)))
        } else {
          for line in text.lines(message, pchannel: pchannel, collection: path?.description) { Console.print(line) }
        }
      case .call(let call):
        if isJSON {
          Console.print(JSONWriter().text(of: calls.json(call)))
        } else if let line = calls.line(call, isBrief: isBrief) {
          Console.print(line)
        }
      case .head(let head): Console.error("* a recording: \(SafeText.line(JSONWriter().text(of: .object(head))))")
      case .catalog(let value):
        book.learn(catalog: value)
        Console.error("* the catalogue of the source")
      case .note(let note): Console.error("* \(SafeText.line(note))")
      case .end: Console.error("* the recording was ended here")
      case .damage(let bytes, let why):
        isWhole = false
        Console.error("warning: damage at byte \(found.offset): \(bytes) bytes, \(why)")
      }
    }
    return isWhole ? .success : .failure
  }

  /// By full name, or by the last part of it where that is unique.
  static func messageType(_ name: String) throws(UsageError) -> MessageDescriptor {
    if let type = MessageDescriptor(named: name) { return type }
    let all = MessageDescriptor.all
    let found = all.filter { $0.name.hasSuffix("." + name) }
    if found.count == 1 { return found[0] }
    if found.isEmpty {
      let names = all.compactMap { $0.name.split(separator: ".").last.map(String.init) }
      throw UsageError("--type: no message '\(name)'.\(NearestName.hint(name, among: names))")
    }
    throw UsageError("--type: '\(name)' is one of \(found.map(\.name).joined(separator: ", ")).")
  }

  private static func bytes(_ input: [UInt8], _ invocation: Invocation) throws(UsageError) -> [UInt8] {
    let notation = try invocation.string("notation").flatMap { ByteNotation(rawValue: $0) } ?? ByteNotation.guess(input)
    guard let bytes = notation.bytes(of: input) else { throw UsageError("the input is no \(notation.rawValue) text.") }
    guard !bytes.isEmpty else { throw UsageError("there are no bytes to decode.") }
    return bytes
  }
}

/// A file, or `-` for the standard input, read once: a pipe gives its first bytes only once, and they tell what follows.
private final class ByteSource: Sendable {
  private static let beginningBytes = 64
  private static let readBytes = 1 << 20
  let beginning: [UInt8]
  private let file: LocalFile
  private let isBegun = Locked(false)

  init(_ path: String) throws(LocalFile.Failure) {
    file = try LocalFile.reading(path)
    var bytes: [UInt8] = []
    while bytes.count < Self.beginningBytes {
      let part = try file.read(bytesMax: Self.beginningBytes - bytes.count)
      if part.isEmpty { break }
      bytes += part
    }
    beginning = bytes
  }

  /// The next bytes, the beginning first; none at the end.
  func read(bytesMax count: Int) throws(LocalFile.Failure) -> [UInt8] {
    let isFirst = isBegun.withLock { isBegun in
      defer { isBegun = true }
      return !isBegun
    }
    if isFirst, !beginning.isEmpty { return beginning }
    return try file.read(bytesMax: count)
  }

  /// Everything to the end, the beginning first.
  func rest() throws(LocalFile.Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    while true {
      let part = try read(bytesMax: Self.readBytes)
      if part.isEmpty { return bytes }
      bytes += part
    }
  }
}
