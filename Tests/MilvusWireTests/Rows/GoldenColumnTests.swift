import MilvusWire
import TestSupport
import Testing

/// Columns against bytes that real servers sent.
@Suite struct GoldenColumnTests {
  private func rows(_ name: String, field: UInt32 = 2, _ fields: [FieldSchema]) throws -> RowColumns {
    try RowColumns.parse(RowFixtures.page(name, field: field), fields: fields, key: "id")
  }

  @Test(arguments: ["m235-query-resp", "lite322-query-resp"])
  func `a page of a real server has its rows, whatever the order of its columns`(name: String) throws {
    let page = try rows(name, RowFixtures.mixed)
    #expect(page.rowCount == 4)
    #expect((0..<4).map { page.key.key($0) } == [.int(-3), .int(1), .int(2), .int(9_007_199_254_740_993)])
    #expect(page.columns.map(\.name) == RowFixtures.mixed.map(\.name))
    let texts = try #require(page.columns.first { $0.name == "s" })
    #expect((0..<4).map { texts.bytes($0).map { String(decoding: $0, as: UTF8.self) } } == ["", "a", "é\n\"", "日本😀"])
  }

  @Test func `the same rows on both servers are equal in every column, in spite of spaces and empty arrays`() throws {
    let milvus = try rows("m235-query-resp", RowFixtures.mixed), lite = try rows("lite322-query-resp", RowFixtures.mixed)
    for (a, b) in zip(milvus.columns, lite.columns) {
      for row in 0..<4 {
        for other in 0..<4 {
          let isSame = row == other || a.name == "b" && (row < 2) == (other < 2)
          #expect(a.isEqual(row, b, other) == isSame, "\(a.name) rows \(row) and \(other)")
        }
      }
    }
  }

  @Test(arguments: ["m235-insert-req", "lite322-insert-req"])
  func `an Insert request is written again byte for byte`(name: String) throws {
    let page = try RowFixtures.page(name, field: 5)
    let columns = try RowColumns.parse(page, fields: RowFixtures.mixed, key: "id").columns
    for (index, field) in RowFixtures.mixed.enumerated() {
      let form = ColumnForm(field, acceptsFlags: true)
      #expect(try columns[index].encoded(.all, as: form) == Array(page.bytes[page.columns[index]]), "\(field.name)")
      #expect(
        try columns[index].encoded(.rows([0, 1, 2, 3]), as: form) == Array(page.bytes[page.columns[index]]), "\(field.name), row by row")
    }
  }

  @Test func `a nullable answer in full form becomes the compact request that Lite was sent`() throws {
    let request = try RowFixtures.page("lite322-insert-null-req", field: 5)
    let columns = try rows("lite322-query-null-resp", RowFixtures.nullable).columns
    for (index, field) in RowFixtures.nullable.enumerated() {
      var form = ColumnForm(field, acceptsFlags: true)
      // The recorded client sent the column with a default without flags; Lite changed the spelling of one instant.
      if field.name == "df" { form.hasFlags = false }
      if field.name == "tz" { continue }
      #expect(try columns[index].encoded(.all, as: form) == Array(request.bytes[request.columns[index]]), "\(field.name)")
    }
  }

  @Test func `an instant in another zone is the same instant`() throws {
    let sent = try rows("lite322-insert-null-req", field: 5, RowFixtures.nullable).columns[5]
    let answered = try rows("lite322-query-null-resp", RowFixtures.nullable).columns[5]
    #expect(sent.name == "tz")
    for row in 0..<3 { #expect(sent.isEqual(row, answered, row)) }
    #expect(!sent.isEqual(0, answered, 2))
    #expect(!sent.isEqual(0, answered, 1))
    #expect(sent.isNull(1) && answered.isNull(1))
  }

  @Test(arguments: ["m235-query-empty-resp", "lite322-query-empty-resp"])
  func `a page past the end has no rows`(name: String) throws {
    let fields = RowFixtures.mixed.filter { $0.name == "id" }
    #expect(try rows(name, fields).rowCount == 0)
  }

  @Test func `an empty array of 2·3·5 gets the slot of its element type`() throws {
    let page = try rows("m235-query-resp", RowFixtures.mixed)
    let column = try #require(page.columns.first { $0.name == "a_i32" })
    let field = try #require(RowFixtures.mixed.first { $0.name == "a_i32" })
    let encoded = try FakeColumn.decode(try column.encoded(.all, as: ColumnForm(field, acceptsFlags: false)))
    #expect(!encoded.hasRowWithoutSlot)
    #expect(encoded.values == [.array([.int(2), .int(2)]), .array([]), .array([.int(1)]), .array([.int(3), .int(3), .int(3)])])
  }

  @Test(arguments: [
    "m235-query-resp", "lite322-query-resp", "lite322-query-null-resp",
  ])
  func `no prefix and no flipped byte of a real column traps`(name: String) throws {
    let page = try RowFixtures.page(name)
    let fields = name.contains("null") ? RowFixtures.nullable : RowFixtures.mixed
    var outcomes: Set<Bool> = []
    for range in page.columns {
      for end in range.lowerBound..<range.upperBound {
        let cut = RowPage(bytes: Array(page.bytes[..<end]), columns: page.columns.filter { $0 != range } + [range.lowerBound..<end])
        outcomes.insert((try? RowColumns.parse(cut, fields: fields, key: "id")) == nil)
      }
      for position in range {
        for flip: UInt8 in [0x01, 0x80, 0xFF] {
          var damaged = page
          damaged.bytes[position] ^= flip
          guard let rows = try? RowColumns.parse(damaged, fields: fields, key: "id") else { continue }
          for (column, field) in zip(rows.columns, fields) {
            _ = try? column.encoded(.all, as: ColumnForm(field, acceptsFlags: true))
            for row in 0..<rows.rowCount { _ = column.isEqual(row, column, rows.rowCount - 1) }
          }
        }
      }
    }
    #expect(outcomes.contains(true))
  }
}
