/// Frames as lines, in the manner of nghttp: the frame with its flags and stream, then what is in it, indented.
package enum FrameText {
  private static let settings: [UInt16: String] = [
    1: "HEADER_TABLE_SIZE", 2: "ENABLE_PUSH", 3: "MAX_CONCURRENT_STREAMS", 4: "INITIAL_WINDOW_SIZE", 5: "MAX_FRAME_SIZE",
    6: "MAX_HEADER_LIST_SIZE", 8: "ENABLE_CONNECT_PROTOCOL",
  ]

  package static func lines(_ frame: FrameView) -> [String] {
    if case .preface = frame.content { return ["preface, \(frame.byteCount) bytes"] }
    var head = "\(frame.name) stream \(frame.stream), \(frame.byteCount) bytes"
    if !frame.flagNames.isEmpty { head += ", " + frame.flagNames.joined(separator: " ") }
    return [head] + content(frame).map { "    " + SafeText.line($0) } + (frame.problem.map { ["    ! \($0)"] } ?? [])
  }

  private static func content(_ frame: FrameView) -> [String] {
    switch frame.content {
    case .data(_, let padding): padding > 0 ? ["padding \(padding)"] : []
    case .headers(let list): list?.fields.map { "\($0.name): \($0.value)" } ?? []
    case .reset(let code): ["\(code)"]
    case .settings(let list): list.map { "\(settings[$0.id] ?? "setting \($0.id)") \($0.value)" }
    case .ping(let opaque): [HexText.encode(opaque)]
    case .goAway(let last, let code, let debug):
      ["last stream \(last), \(code)"] + (debug.isEmpty ? [] : [String(decoding: debug.prefix(1024), as: UTF8.self)])
    case .windowUpdate(let increment): ["window + \(increment)"]
    case .priority, .preface, .other: []
    }
  }

  /// `type`, `flags`, `stream`, `bytes` and what is in it: `headers` (a list of pairs), `settings`, `window`, `code`, `last_stream`, `debug`, `opaque`.
  package static func json(_ frame: FrameView) -> JSONValue {
    var object: JSONObject = [
      "type": .string(frame.name), "flags": .array(frame.flagNames.map { .string($0) }), "stream": .int(frame.stream),
      "bytes": .int(frame.byteCount),
    ]
    switch frame.content {
    case .headers(let list?):
      object["headers"] = .array(list.fields.map { .array([.string($0.name), .string($0.value)]) })
    case .settings(let list):
      object["settings"] = .object(JSONObject(list.map { (settings[$0.id] ?? String($0.id), .int($0.value)) }))
    case .windowUpdate(let increment): object["window"] = .int(increment)
    case .reset(let code): object["code"] = .string(code.description)
    case .goAway(let last, let code, let debug):
      (object["last_stream"], object["code"]) = (.int(last), .string(code.description))
      if !debug.isEmpty { object["debug"] = .string(String(decoding: debug, as: UTF8.self)) }
    case .ping(let opaque): object["opaque"] = .string(HexText.encode(opaque))
    case .data, .headers(nil), .priority, .preface, .other: break
    }
    if let problem = frame.problem { object["problem"] = .string(problem) }
    return .object(object)
  }
}
