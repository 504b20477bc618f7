import MilvusWire
import Testing

/// Values one after another, whole and byte by byte.
@Suite struct JSONSequenceTests {
  /// The values of a text that arrives in pieces of `size` bytes.
  private func values(_ text: String, size: Int) throws(JSONError) -> [JSONValue] {
    var sequence = JSONSequence()
    var values: [JSONValue] = []
    let bytes = Array(text.utf8)
    var start = 0
    while start < bytes.count {
      sequence.append(bytes[start..<min(bytes.count, start + size)])
      start += size
      while let value = try sequence.next() { values.append(value) }
    }
    sequence.finish()
    while let value = try sequence.next() { values.append(value) }
    return values
  }

  @Test(arguments: [1, 2, 3, 7, 1000])
  func valuesEndWithTheirBracketOrTheirSpace(size: Int) throws {
    #expect(try values("", size: size) == [])
    #expect(try values(" \n\t", size: size) == [])
    #expect(try values("{}", size: size) == [[:]])
    #expect(try values("{}{}\n[1]", size: size) == [[:], [:], [1]])
    #expect(try values("{\"a\":\n  [1, {}]}\n{\"b\": \"}{\\\"]\"}\n", size: size) == [["a": [1, [:]]], ["b": "}{\"]"]])
    #expect(try values("1 2\ntrue \"x y\"null", size: size) == [1, 2, true, "x y", nil])
  }

  @Test(arguments: [1, 1000])
  func errorsCountLinesFromTheStartOfTheInput(size: Int) {
    for (text, line, column) in [
      ("{}\n{\"a\": 1,}", 2, 9), ("{} {x}", 1, 5), ("{\n\"a\": }\n", 2, 6), ("]", 1, 1), ("{}\n\n  {\"a\"", 3, 7),
      ("{\"a\": 1, \"a\": 2}", 1, 10), ("nul", 1, 4),
    ] {
      let error = #expect(throws: JSONError.self) { try values(text, size: size) }
      #expect(error?.line == line && error?.column == column, "\(text): \(String(describing: error))")
    }
  }

  @Test func aValueComesOutWithItsLastByte() throws {
    var sequence = JSONSequence()
    sequence.append(Array("{\"a\":".utf8))
    #expect(try sequence.next() == nil)
    sequence.append(Array("1}".utf8))
    #expect(try sequence.next() == ["a": 1])
    #expect(try sequence.next() == nil)
  }

  @Test func aValueIsAtMostAsLongAsTheLimit() throws {
    for (limit, fits) in [(6, false), (7, true), (8, true)] {
      var sequence = JSONSequence(limits: JSONParser.Limits(bytesMax: limit))
      sequence.append(Array("[1,2,3]".utf8))
      #expect(((try? sequence.next()) != nil) == fits)
    }
    // Without its end too: nothing is collected for ever.
    var endless = JSONSequence(limits: JSONParser.Limits(bytesMax: 100))
    endless.append([UInt8](repeating: UInt8(ascii: "["), count: 101))
    #expect(throws: JSONError.self) { try endless.next() }
  }
}
