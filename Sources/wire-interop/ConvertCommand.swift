internal import MilvusWire

/// Converts messages between bytes and JSON, line by line, for the comparison with the official library (`Tests/interop/test_json_mapping.py`).
///
/// A line in is `json TYPE BASE64`, `all TYPE BASE64` (with defaults) or `bytes TYPE JSON`; a line out is the JSON, the base64, or `! reason`.
struct ConvertCommand {
  func run() async throws {
    var rest: [UInt8] = []
    while let bytes = await StandardStreams.nextInput() {
      rest += bytes
      var start = 0
      while let end = rest[start...].firstIndex(of: 0x0A) {
        let answer = convert(String(decoding: rest[start..<end], as: UTF8.self))
        StandardStreams.write(answer + "\n", to: .output)
        start = end + 1
      }
      rest.removeFirst(start)
    }
  }

  private func convert(_ line: String) -> String {
    let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
    guard words.count == 3, let type = MessageDescriptor(named: words[1]) else { return "! what is this line?" }
    do {
      if words[0] == "bytes" {
        return Base64.encode(try MessageJSON().bytes(of: try JSONParser.parse(words[2]), as: type))
      }
      guard let bytes = Base64.decode(words[2]) else { return "! no base64" }
      var form = MessageJSON()
      form.showsDefaults = words[0] == "all"
      return JSONWriter().text(of: try form.json(of: bytes, as: type))
    } catch {
      return "! \(error)"
    }
  }
}
