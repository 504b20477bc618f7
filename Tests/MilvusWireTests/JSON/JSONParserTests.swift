import MilvusWire
import Testing

@Suite struct JSONParserTests {
  @Test(
    arguments: [
      ("null", JSONValue.null), (" true ", true), ("false", false), ("\"\"", ""), ("[]", []), ("{}", [:]),
      ("\t\r\n [ 1 , \"a\" ,null]\n", [1, "a", nil]),
      (#"{"a":{"b":[{"c":false}]}}"#, ["a": ["b": [["c": false]]]]),
      (#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00""#, .string("\"\\/\u{8}\u{C}\n\r\tA\u{E9}\u{1F600}")),
      (#""é😀""#, "é😀"), (#""\u0000""#, "\0"),
    ] as [(String, JSONValue)])
  func readsEveryKindOfValue(text: String, expected: JSONValue) throws {
    #expect(try JSONParser.parse(text) == expected)
  }

  @Test(arguments: [
    "0", "-0", "1", "-1", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "0.10",
    "1e10", "1E+2", "-2.5e-3", "123456789012345678901234567890",
  ])
  func keepsTheTextOfNumbers(text: String) throws {
    let value = try JSONParser.parse(text)
    #expect(value.numberValue?.text == text)
    #expect(JSONWriter().text(of: value) == text)
  }

  @Test func readsIntegersExactlyOrNotAtAll() throws {
    #expect(try JSONParser.parse("9223372036854775807").int64Value == Int64.max)
    #expect(try JSONParser.parse("-9223372036854775808").int64Value == Int64.min)
    #expect(try JSONParser.parse("9223372036854775808").int64Value == nil)
    #expect(try JSONParser.parse("18446744073709551615").uint64Value == UInt64.max)
    #expect(try JSONParser.parse("18446744073709551616").uint64Value == nil)
    #expect(try JSONParser.parse("-1").uint64Value == nil)
    #expect(try JSONParser.parse("1.0").int64Value == 1)
    #expect(try JSONParser.parse("1e3").int64Value == 1000)
    #expect(try JSONParser.parse("-0").int64Value == 0)
    #expect(try JSONParser.parse("1.5").int64Value == nil)
    #expect(try JSONParser.parse("1e300").int64Value == nil)
    #expect(try JSONParser.parse("1e999").doubleValue == .infinity)
  }

  @Test func lastOfRepeatedKeysWinsAndKeepsThePlaceOfTheFirst() throws {
    let object = try JSONParser.parse(#"{"a":1,"b":2,"a":3}"#).objectValue
    #expect(object?.members.map(\.key) == ["a", "b"])
    #expect(object?["a"] == 3)
  }

  @Test func keysThatOnlyLookEqualAreDifferent() throws {
    let object = try JSONParser.parse("{\"\u{E9}\":1,\"e\u{301}\":2}").objectValue
    #expect(object?.count == 2)
    #expect(object?["\u{E9}"] == 1)
    #expect(object?["e\u{301}"] == 2)
  }

  @Test func manyKeysStayInOrderAndAreFound() throws {
    let text = "{" + (0..<5000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + ",\"k7\":-7}"
    var object = try #require(try JSONParser.parse(text).objectValue)
    #expect(object.count == 5000)
    #expect(object["k7"] == -7)
    #expect(object["k4999"] == 4999)
    #expect(Array(object.members.prefix(3).map(\.key)) == ["k0", "k1", "k2"])
    object["k0"] = nil
    #expect(object["k0"] == nil)
    #expect(object["k4999"] == 4999)
  }

  @Test func ignoresCaseOnlyWhereAskedAndPrefersTheExactName() throws {
    let object = try #require(try JSONParser.parse(#"{"Uri":1,"URI":2,"token":3}"#).objectValue)
    #expect(object["uri"] == nil)
    #expect(object.member(ignoringCase: "uri") == 2)
    #expect(object.member(ignoringCase: "Uri") == 1)
    #expect(object.member(ignoringCase: "TOKEN") == 3)
    #expect(object.member(ignoringCase: "tok") == nil)
  }

  @Test(arguments: [
    ("", "line 1, column 1: expected a value, found the end of the text"),
    ("{", "line 1, column 2: expected a key in quotes, found the end of the text"),
    ("{\n  \"a\" 1}", "line 2, column 7: expected ':' after the key, found '1'"),
    ("[1,]", "line 1, column 4: expected a value, found ']'"),
    ("[1 2]", "line 1, column 4: expected ',' or ']', found '2'"),
    ("{\"a\":1,}", "line 1, column 8: expected a key in quotes, found '}'"),
    ("{} x", "line 1, column 4: only space may follow the value, found 'x'"),
    ("01", "line 1, column 2: a number does not start with 0, found '1'"),
    ("-", "line 1, column 2: expected a digit, found the end of the text"),
    ("1.", "line 1, column 3: expected a digit, found the end of the text"),
    (".5", "line 1, column 1: expected a value, found '.'"),
    ("1e+", "line 1, column 4: expected a digit, found the end of the text"),
    ("nul", "line 1, column 4: expected 'null', found the end of the text"),
    ("NaN", "line 1, column 1: expected a value, found 'N'"),
    ("'a'", "line 1, column 1: expected a value, found '''"),
    ("\"a\nb\"", "line 1, column 3: a control character must be escaped"),
    ("\"\\x\"", "line 1, column 3: unknown escape, found 'x'"),
    ("\"\\u12g4\"", "line 1, column 6: expected four hexadecimal digits, found 'g'"),
    ("\"\\ud800\"", "line 1, column 4: half of a surrogate pair"),
    ("\"\\udc00\\ud800\"", "line 1, column 4: half of a surrogate pair"),
    ("\u{FEFF}1", "line 1, column 1: expected a value, found the byte 0xEF"),
    ("// c", "line 1, column 1: expected a value, found '/'"),
  ])
  func refusesWithPlaceAndReason(text: String, message: String) {
    do {
      _ = try JSONParser.parse(text)
      Issue.record("\(text) was read")
    } catch { #expect(error.description == message) }
  }

  @Test(
    arguments: [
      [0x22, 0xFF, 0x22], [0x22, 0xC0, 0x80, 0x22], [0x22, 0xED, 0xA0, 0x80, 0x22], [0x22, 0xE2, 0x82, 0x22],
      [0x22, 0x5C, 0x6E, 0xFF, 0x22], [0x22, 0xF5, 0x80, 0x80, 0x80, 0x22],
    ] as [[UInt8]])
  func refusesWhatIsNotUTF8(bytes: [UInt8]) {
    #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
  }

  @Test func keepsItsLimits() throws {
    let deep = { (count: Int) in String(repeating: "[", count: count) + String(repeating: "]", count: count) }
    let limits = JSONParser.Limits(bytesMax: 60, depthMax: 10, valueCountMax: 12)
    #expect(throws: Never.self) { try JSONParser.parse(deep(10), limits: limits) }
    #expect(throws: JSONError.self) { try JSONParser.parse(deep(11), limits: limits) }
    let list = { (count: Int) in "[" + Array(repeating: "1", count: count).joined(separator: ",") + "]" }
    #expect(throws: Never.self) { try JSONParser.parse(list(11), limits: limits) }
    #expect(throws: JSONError.self) { try JSONParser.parse(list(12), limits: limits) }
    let text = { (count: Int) in "\"" + String(repeating: "x", count: count - 2) + "\"" }
    #expect(throws: Never.self) { try JSONParser.parse(text(60), limits: limits) }
    #expect(throws: JSONError.self) { try JSONParser.parse(text(61), limits: limits) }
    #expect(throws: JSONError.self) { try JSONParser.parse(String(repeating: "[", count: 1_000_000)) }
    #expect(throws: JSONError.self) { try JSONParser.parse(String(repeating: "{\"a\":", count: 100_000)) }
  }

  @Test func everyPrefixOfATextIsRefusedAndTheWholeIsRead() throws {
    let bytes = Array(#"{"a":[1,-2.5e3,true,null,"x\u00e9\ud83d\ude00é"],"b":{"c":false}}"#.utf8)
    for count in 0..<bytes.count {
      #expect(throws: JSONError.self) { try JSONParser.parse(Array(bytes[..<count])) }
    }
    #expect(throws: Never.self) { try JSONParser.parse(bytes) }
  }
}
