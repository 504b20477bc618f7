import MilvusWire
import Testing

@Suite struct KeyExpressionTests {
  @Test func `literals follow the one rule that every server parses`() {
    #expect(KeyExpression.literal(.int(-9_223_372_036_854_775_807)) == "-9223372036854775807")
    #expect(KeyExpression.literal(.text("a\\b\"c\nd\re\tf")) == #""a\\b\"c\nd\re\tf""#)
    #expect(KeyExpression.literal(.text("'`{%/\u{0}\u{1}\u{2028}😀")) == "\"'`{%/\u{0}\u{1}\u{2028}😀\"")
    #expect(KeyExpression.literal(.text("")) == "\"\"")
  }

  @Test func `a cursor after the smallest integer is written without it`() {
    #expect(KeyExpression.after(.int(.min), field: "id") == "id >= -9223372036854775807")
    #expect(KeyExpression.after(.int(.max), field: "id") == "id > 9223372036854775807")
    #expect(KeyExpression.after(.text(""), field: "k") == "k > \"\"")
    #expect(!KeyExpression.canBeNamed(.int(.min)) && KeyExpression.canBeNamed(.int(.max)))
  }

  @Test func `a list ends at its limits and never is an empty expression`() throws {
    #expect(KeyExpression.list([], field: "id") == nil)
    let few = try #require(KeyExpression.list([.int(1), .int(-2)], field: "id"))
    #expect(few.expression == "id in [1, -2]" && few.count == 2)
    let limit = KeyExpression.keyCountMax
    for (count, expected) in [(limit - 1, limit - 1), (limit, limit), (limit + 1, limit)] {
      #expect(KeyExpression.list((0..<Int64(count)).map { .int($0) }[...], field: "id")?.count == expected)
    }
    let long = Array(repeating: RowKey.text(String(repeating: "x", count: 1 << 20)), count: 6)
    let part = try #require(KeyExpression.list(long[...], field: "k"))
    #expect(part.count == 3)
    #expect(part.expression.utf8.count <= KeyExpression.bytesMax)
  }

  @Test func `keys keep their bytes in state files`() {
    for key: RowKey in [.int(.min), .int(.max), .text(""), .text("i:5"), .text("é\u{0}"), .text("e\u{301}")] {
      #expect(RowKey(persisted: key.persisted) == key)
    }
    #expect(RowKey(persisted: "x") == nil)
    #expect(RowKey.text("é") != RowKey.text("e\u{301}"))
    #expect(RowKey.text("Z") < RowKey.text("a"))
    #expect(RowKey.text("\u{FFFF}") < RowKey.text("😀"), "by bytes, not by UTF-16 units")
  }
}
