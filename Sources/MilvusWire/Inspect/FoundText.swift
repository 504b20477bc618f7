/// What `PayloadDecoder` found, as lines for a person and as JSON for a program.
package struct FoundText: Sendable {
  private let log: LogMessageView
  private let text: LogMessageText
  private let isBrief: Bool

  package init(view: ReadableMessage.Options, isBrief: Bool = false) {
    log = LogMessageView(view)
    var options = LogMessageText.Options()
    options.showsContent = !isBrief
    text = LogMessageText(log, options)
    self.isBrief = isBrief
  }

  package func lines(_ found: PayloadDecoder.Found) -> [String] {
    switch found.item {
    case .log(let message): return text.lines(message)
    case .message(let type, let value):
      let head = "\(place(found)) \(type), \(found.byteCount) bytes"
      return isBrief ? [head] : [head, SafeText.lines(JSONWriter(layout: .pretty).text(of: value))]
    case .unknown(let tree):
      let head = "\(place(found)) unknown message, \(found.byteCount) bytes"
      return isBrief ? [head] : [head] + tree.lines().map { "  " + SafeText.line($0) }
    case .frame(let frame): return FrameText.lines(frame).prefix(isBrief ? 1 : Int.max).map { "@\(frame.offset) \($0)" }
    case .problem(let what): return ["! \(place(found)) \(SafeText.line(what))"]
    }
  }

  private func place(_ found: PayloadDecoder.Found) -> String {
    "@\(found.offset)" + (found.stream.map { " stream \($0)" } ?? "")
  }

  /// `offset`, `bytes`, `stream` where there is one, `kind` (`log`, `message`, `unknown`, `frame`, `problem`) and, under that name, what it is.
  package func json(_ found: PayloadDecoder.Found) -> JSONValue {
    var object: JSONObject = ["offset": .int(found.offset), "bytes": .int(found.byteCount)]
    if let stream = found.stream { object["stream"] = .int(stream) }
    let (kind, value): (String, JSONValue) =
      switch found.item {
      case .log(let message): ("log", log.json(of: message))
      case .message(_, let value): ("message", value)
      case .unknown(let tree): ("unknown", tree.json)
      case .frame(let frame): ("frame", FrameText.json(frame))
      case .problem(let what): ("problem", .string(what))
      }
    object["kind"] = .string(kind)
    if case .message(let type, _) = found.item { object["type"] = .string(type) }
    object[kind] = value
    return .object(object)
  }
}
