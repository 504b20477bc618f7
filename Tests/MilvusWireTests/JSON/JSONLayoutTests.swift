import MilvusWire
import Testing

@Suite struct JSONLayoutTests {
  @Test func whatFitsOnALineStandsOnOne() throws {
    let value: JSONValue = ["a": [1, 2, ["b": nil]], "c": "x", "d": [:], "e": []]
    let writer = JSONWriter(layout: .fitted)
    #expect(writer.text(of: value) == #"{"a": [1, 2, {"b": null}], "c": "x", "d": {}, "e": []}"#)
  }

  @Test func whatDoesNotFitIsBrokenAndReadsBack() throws {
    let writer = JSONWriter(layout: .fitted)
    for count in 1...60 {
      let value: JSONValue = ["list": .array((0..<count).map { ["n": .int($0), "text": "é\n\"\\"] }), "more": ["x": 1]]
      let text = writer.text(of: value)
      #expect(try JSONParser.parse(text) == value)
      #expect(text.split(separator: "\n").allSatisfy { $0.utf8.count <= 100 })
      #expect(text.contains("\n") == (JSONWriter().text(of: value).utf8.count > 70 && text.utf8.count > 100))
    }
    // A text longer than a line has one to itself.
    let long: JSONValue = ["a": .string(String(repeating: "x", count: 200)), "b": 1]
    #expect(writer.text(of: long) == "{\n  \"a\": \"\(String(repeating: "x", count: 200))\",\n  \"b\": 1\n}")
  }
}
