internal import Testing

@testable internal import MilvusWire

@Suite struct MetadataTests {
  private func encode(_ metadata: Metadata, bytesMax: Int = 8192) throws(Metadata.Failure) -> HeaderList {
    var headers = HeaderList()
    try metadata.appendFields(to: &headers, bytesMax: bytesMax)
    return headers
  }

  @Test func `text goes as it is, bytes as base64 without padding, names in lower case`() throws {
    var metadata: Metadata = ["X-Text": "a b~"]
    metadata.append("x-data-bin", bytes: [255])
    #expect(try encode(metadata) == ["x-text": "a b~", "x-data-bin": "/w"])
  }

  @Test(arguments: ["grpc-status", "grpc-anything", ":path", "te", "content-type", "user-agent", "host", "connection"])
  func `reserved names are refused`(name: String) {
    #expect(throws: Metadata.Failure.reservedName(name)) { try encode([name: "x"]) }
  }

  @Test(arguments: ["", "a b", "näme", "a/b", "a\n"])
  func `names outside the alphabet are refused`(name: String) {
    #expect(throws: Metadata.Failure.badName(name)) { try encode([name: "x"]) }
  }

  @Test(arguments: ["ü", "a\nb", "\u{7f}", " a", "a ", "a\0"])
  func `values that HTTP cannot carry are refused and not quoted`(value: String) {
    #expect(throws: Metadata.Failure.badValue(name: "x")) { try encode(["x": value]) }
    #expect(Metadata.Failure.badValue(name: "x").message == "the value of metadata \"x\" is malformed")
  }

  @Test func `text under a binary name and bytes under a text name are refused`() {
    var bytes = Metadata()
    bytes.append("x", bytes: [1])
    #expect(throws: Metadata.Failure.badValue(name: "x")) { try encode(bytes) }
    #expect(throws: Metadata.Failure.badValue(name: "x-bin")) { try encode(["x-bin": "AA"]) }
  }

  @Test(arguments: [(36, true), (35, true), (34, false)])
  func `the size is counted as HTTP does`(limit: Int, isAccepted: Bool) {
    // 32 for the field, 1 for the name, 2 for the value.
    #expect(((try? encode(["x": "yz"], bytesMax: limit)) != nil) == isAccepted)
  }

  @Test func `received metadata leaves out what belongs to gRPC and HTTP`() throws {
    let metadata = try Metadata(received: [
      ":status": "200", "content-type": "application/grpc", "grpc-status": "0", "user-agent": "u", "x": "1", "x": "2",
      "d-bin": "AAE=, /w,",
    ])
    var expected: Metadata = ["user-agent": "u", "x": "1", "x": "2"]
    for bytes: [UInt8] in [[0, 1], [255], []] { expected.append("d-bin", bytes: bytes) }
    #expect(metadata == expected)
    #expect(metadata["x"] == "1")
    #expect(metadata.bytes("d-bin") == [0, 1])
  }

  @Test func `malformed binary metadata is an error`() {
    #expect(throws: Metadata.Failure.badValue(name: "d-bin")) { try Metadata(received: ["d-bin": "?"]) }
  }
}

@Suite struct StatusMessageTests {
  /// The text of gRPC's interop case `special_status_message`.
  static let special = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
  static let coded =
    "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A"

  @Test func `messages are percent-coded as gRPC says`() {
    #expect(StatusMessage.encode(Self.special) == Self.coded)
    #expect(StatusMessage.decode(Self.coded) == Self.special)
    #expect(StatusMessage.encode("100% ~ \u{7f}") == "100%25 ~ %7F")
  }

  @Test(arguments: [("%", "%"), ("%4", "%4"), ("%zz", "%zz"), ("a%41%", "aA%"), ("%e2%98%ba", "☺"), ("%ff", "\u{FFFD}")])
  func `a malformed message is kept as well as can be`(text: String, expected: String) {
    #expect(StatusMessage.decode(text) == expected)
  }
}

@Suite struct DeadlineTests {
  @Test(arguments: [
    (Duration.zero, "1n"), (.seconds(-1), "1n"), (.nanoseconds(1), "1n"), (.nanoseconds(99_999_999), "99999999n"),
    (.nanoseconds(100_000_000), "100000u"), (.nanoseconds(100_000_001), "100001u"), (.seconds(1), "1000000u"),
    (.seconds(99), "99000000u"), (.seconds(100), "100000m"), (.seconds(100_000), "100000S"),
    (.milliseconds(100_000_001), "100001S"), (.seconds(99_999_999), "99999999S"), (.seconds(100_000_000), "1666667M"),
    (.seconds(Int64.max / 4), "99999999H"),
  ])
  func `a timeout is written in the finest unit that fits, rounded up`(timeout: Duration, text: String) {
    #expect(Deadline.encode(timeout) == text)
  }

  @Test(arguments: [
    ("1n", Duration.nanoseconds(1)), ("0S", .zero), ("7u", .microseconds(7)), ("250m", .milliseconds(250)),
    ("3S", .seconds(3)), ("2M", .seconds(120)), ("99999999H", .seconds(99_999_999 * 3600)),
  ])
  func `a timeout is read in every unit`(text: String, timeout: Duration) { #expect(Deadline.decode(text) == timeout) }

  @Test(arguments: ["", "S", "1", "1s", "123456789S", "-1S", "+1S", "1.5S", "1 S", "１S", "1SS"])
  func `a malformed timeout is refused`(text: String) { #expect(Deadline.decode(text) == nil) }
}
