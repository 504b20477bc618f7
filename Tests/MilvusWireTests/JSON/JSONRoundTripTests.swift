import MilvusWire
import Testing

/// A small seeded generator (SplitMix64), so that a failing run can be repeated.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

@Suite struct JSONRoundTripTests {
  private func randomText(_ generator: inout SeededGenerator) -> String {
    var scalars = String.UnicodeScalarView()
    for _ in 0..<Int.random(in: 0..<12, using: &generator) {
      let ranges: [ClosedRange<UInt32>] = [
        0...0x7F, 0x20...0x7E, 0x80...0x7FF, 0x2020...0x2030, 0xE000...0xFFFF, 0x10000...0x10FFFF,
      ]
      let range = ranges.randomElement(using: &generator) ?? 0...0x7F
      if let scalar = Unicode.Scalar(UInt32.random(in: range, using: &generator)) { scalars.append(scalar) }
    }
    return String(scalars)
  }

  private func randomValue(_ generator: inout SeededGenerator, depth: Int) -> JSONValue {
    switch Int.random(in: 0..<(depth > 4 ? 6 : 8), using: &generator) {
    case 0: return .null
    case 1: return .bool(Bool.random(using: &generator))
    case 2: return .int(Int64.random(in: .min ... .max, using: &generator))
    case 3: return .int(UInt64.random(in: .min ... .max, using: &generator))
    case 4: return .double(Double(bitPattern: generator.next()))
    case 5: return .string(randomText(&generator))
    case 6:
      return .array(
        (0..<Int.random(in: 0..<6, using: &generator)).map { _ in randomValue(&generator, depth: depth + 1) })
    default:
      var object = JSONObject()
      for _ in 0..<Int.random(in: 0..<24, using: &generator) {
        object[randomText(&generator)] = randomValue(&generator, depth: depth + 1)
      }
      return .object(object)
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>) func whatIsWrittenReadsBackEqual(seed: UInt64) throws {
    var generator = SeededGenerator(state: seed)
    for _ in 0..<40 {
      let value = randomValue(&generator, depth: 0)
      for layout in [JSONWriter.Layout.compact, .pretty] {
        for escapes in [false, true] {
          let bytes = JSONWriter(layout: layout, escapesForHTML: escapes).bytes(of: value)
          let readBack = try JSONParser.parse(bytes)
          #expect(readBack == value, "seed \(seed)")
        }
      }
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>) func damagedTextsAreReadOrRefusedNeverMore(seed: UInt64) throws {
    var generator = SeededGenerator(state: seed)
    for _ in 0..<60 {
      var bytes = JSONWriter().bytes(of: randomValue(&generator, depth: 0))
      for _ in 0..<Int.random(in: 1..<4, using: &generator) where !bytes.isEmpty {
        let position = Int.random(in: bytes.indices, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[position] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: position)
        default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: position)
        }
      }
      do {
        let value = try JSONParser.parse(bytes)
        #expect(try JSONParser.parse(JSONWriter().bytes(of: value)) == value, "seed \(seed)")
      } catch {
        #expect(error.offset <= bytes.count)
        #expect(error.line >= 1 && error.column >= 1)
      }
    }
  }

  @Test(arguments: 0..<20 as Range<UInt64>) func randomBytesNeverTrap(seed: UInt64) {
    var generator = SeededGenerator(state: seed)
    let alphabet = Array("{}[]\",:0123456789.eE+-tfnrualse\\ \n\u{80}".utf8)
    for _ in 0..<300 {
      let bytes = (0..<Int.random(in: 0..<40, using: &generator)).map { _ in
        alphabet.randomElement(using: &generator) ?? 0
      }
      _ = try? JSONParser.parse(bytes)
    }
  }

  @Test func writesCompactAndPretty() {
    let value: JSONValue = ["a": [1, [:], []], "b": ["c": nil]]
    #expect(JSONWriter().text(of: value) == #"{"a":[1,{},[]],"b":{"c":null}}"#)
    #expect(
      JSONWriter(layout: .pretty).text(of: value) == """
        {
          "a": [
            1,
            {},
            []
          ],
          "b": {
            "c": null
          }
        }
        """)
  }

  @Test func escapesForPagesOnlyOnRequestAndNeverASlash() {
    let value = JSONValue.string("<a href='/x'>&\u{2028}\u{2029}\u{2027}\u{1}")
    #expect(
      JSONWriter(escapesForHTML: true).text(of: value)
        == #""\u003ca href='/x'\u003e\u0026\u2028\u2029"# + "\u{2027}" + #"\u0001""#)
    #expect(
      JSONWriter().text(of: value) == "\"<a href='/x'>&\u{2028}\u{2029}\u{2027}" + #"\u0001""#)
  }

  @Test func numbersThatJSONCannotSayAreNull() {
    #expect(JSONValue.double(.nan) == .null)
    #expect(JSONValue.double(-.infinity) == .null)
    #expect(JSONWriter().text(of: .double(0.1)) == "0.1")
    #expect(JSONWriter().text(of: .double(1e300)) == "1e+300")
  }

  @Test func fieldsNameThePathOfWhatIsWrong() throws {
    let fields = try JSONFields(
      JSONParser.parse(#"{"name":"x","list":[{"n":1},{"n":"one"}],"nothing":null}"#))
    #expect(try fields.string("name") == "x")
    #expect(try fields.optionalString("nothing") == nil)
    #expect(throws: JSONFieldError(path: "gone", message: "is missing")) { try fields.bool("gone") }
    let list = try fields.fieldsList("list")
    #expect(try list.first?.int64("n") == 1)
    #expect(throws: JSONFieldError(path: "list[1].n", message: "expected integer, found string")) {
      try list.last?.int64("n")
    }
    #expect(throws: JSONFieldError.self) { try JSONFields(.array([])) }
  }
}
