internal import CDCBridge
internal import MilvusWire

/// Coverage-guided fuzzing of everything that reads bytes of a stranger for debugging: `dev/fuzz`. The first byte chooses what is done with
/// the rest; nothing may trap, and what can be written again must be the same.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOne(_ data: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let data, count > 1 else { return 0 }
  // SAFETY: libFuzzer's bytes are there during the call, and are copied.
  let all = [UInt8](UnsafeBufferPointer(start: data, count: count))
  let bytes = Array(all.dropFirst())
  switch all[0] % 13 {
  case 0: decode(bytes, as: nil)
  case 1: decode(bytes, as: .message)
  case 2: decode(bytes, as: .delimited)
  case 3: decode(bytes, as: .grpc)
  case 4: decode(bytes, as: .http2)
  case 5: readRecording(bytes)
  case 6: _ = LZ4Block.decompress(bytes.dropFirst(2), count: Int(bytes[0]) << 8 | Int(bytes.dropFirst().first ?? 0))
  case 7: roundTrip(bytes)
  case 8: inflate(bytes, encoding: "gzip")
  case 9: inflate(bytes, encoding: "deflate")
  case 10: readCall(bytes)
  case 11: admit(bytes)
  default:
    _ = HexText.decode(bytes)
    _ = ByteNotation.guess(bytes)
    _ = try? ColumnView(bytes)
  }
  return 0
}

private let insertRequest = MessageDescriptor(named: "milvus.proto.milvus.InsertRequest")
private let searchResults = MessageDescriptor(named: "milvus.proto.milvus.SearchResults")

private func decode(_ bytes: [UInt8], as form: PayloadDecoder.Form?) {
  var options = ReadableMessage.Options()
  options.isFull = bytes.count % 2 == 0
  let text = FoundText(view: options)
  for type in [nil, insertRequest, searchResults] {
    PayloadDecoder(type: type, options: options).decode(bytes, as: form) { found in
      precondition(found.offset >= 0 && found.offset <= bytes.count)
      _ = text.lines(found)
      _ = JSONWriter().text(of: text.json(found))
    }
  }
}

private func readRecording(_ bytes: [UInt8]) {
  let rest = Locked(bytes[...])
  var reader = RecordReader(read: { count in
    rest.withLock { rest in
      let part = Array(rest.prefix(min(count, 37)))
      rest = rest.dropFirst(part.count)
      return part
    }
  })
  while let found = try? reader.next() { precondition(found.offset >= 0 && found.offset <= bytes.count) }
}

private func roundTrip(_ bytes: [UInt8]) {
  guard let packed = LZ4Block.compress(bytes) else { return }
  precondition(LZ4Block.decompress(packed[...], count: bytes.count) == bytes)
}

private func inflate(_ bytes: [UInt8], encoding: String) {
  guard let plain = try? Inflate.decompress(bytes, encoding: encoding, bytesMax: 1 << 20) else { return }
  precondition(plain.count <= 1 << 20)
}

private func readCall(_ bytes: [UInt8]) {
  guard let call = (try? RecordedCall(bytes, in: 0..<bytes.count)) ?? nil else { return }
  var view = RecordedCallView(ReadableMessage.Options())
  _ = view.line(call, isBrief: false)
  _ = JSONWriter().text(of: view.json(call))
}

private let admission = LogAdmission(
  sourcePchannels: ["src-rootcoord-dml_0", "by-dev-rootcoord-dml_0", "by-dev-rootcoord-dml_1"], typeMax: 46, targetKind: .woodPecker)

private func admit(_ bytes: [UInt8]) {
  _ = try? admission.judge(immutableMessage: bytes)
  guard let message = try? LogMessage(immutableMessage: bytes) else { return }
  // What was found in one walk is what a walk with texts finds.
  precondition(message.vchannel == message[property: "_vc"] ?? "")
  _ = try? LogChange(message)
}
