import MilvusWire
import Testing

/// What people see in place of ProtoJSON, and what they may write.
@Suite struct MilvusPresentationTests {
  private func type(_ name: String) throws -> MessageDescriptor {
    try #require(MessageDescriptor(named: "milvus.proto.\(name)"))
  }
  private func shown(_ bytes: [UInt8], _ name: String, rows: Bool = false, full: Bool = false) throws -> JSONValue {
    var form = MessageJSON()
    form.presentation = MilvusPresentation(isFull: full, showsRows: rows)
    return try form.json(of: bytes, as: type(name))
  }
  private func bytes(_ json: JSONValue, _ name: String, plain: Bool = false) throws -> [UInt8] {
    var form = MessageJSON()
    form.presentation = plain ? nil : MilvusPresentation()
    return try form.bytes(of: json, as: type(name))
  }

  // MARK: Bytes that hold messages

  @Test func aSchemaInBytesIsJSONBothWays() throws {
    let schema: JSONValue = ["name": "films", "fields": [["name": "id", "data_type": "Int64"]]]
    let request: JSONValue = ["collection_name": "films", "schema": schema]
    let encoded = try bytes(request, "milvus.CreateCollectionRequest")
    #expect(try shown(encoded, "milvus.CreateCollectionRequest") == request)
    // The official form is the same bytes, and still understood.
    let base64 = Base64.encode(try bytes(schema, "schema.CollectionSchema"))
    let official: JSONValue = ["collection_name": "films", "schema": .string(base64)]
    #expect(try MessageJSON().json(of: encoded, as: type("milvus.CreateCollectionRequest")) == official)
    #expect(try bytes(official, "milvus.CreateCollectionRequest") == encoded)
  }

  @Test func bytesThatAreNoSchemaAreBase64() throws {
    let request: JSONValue = ["schema": "//8="]
    #expect(try shown(bytes(request, "milvus.CreateCollectionRequest"), "milvus.CreateCollectionRequest") == request)
  }

  @Test func mistakesInsideBytesHaveTheirPlace() throws {
    let request: JSONValue = ["schema": ["fields": [["data_type": "Int65"]]]]
    let error = #expect(throws: ProtobufError.self) { try bytes(request, "milvus.CreateCollectionRequest") }
    #expect(
      error?.message
        == "schema.fields[0].data_type: milvus.proto.schema.DataType has no such value. Did you mean 'Int64'?")
  }

  @Test func everyContentIsOfAFieldThatExists() throws {
    for (field, content) in MilvusPresentation.contents {
      let dot = try #require(field.lastIndex(of: "."))
      let owner = try type(String(field[..<dot]))
      let descriptor = try #require(owner.field(named: String(field[field.index(after: dot)...])))
      #expect(descriptor.kind == .bytes)
      _ = try type(content)
    }
  }

  // MARK: Vectors

  /// Rows of `FieldData` of each vector type with what is shown of the second one, in short and in full.
  static let vectors: [(field: JSONValue, summary: JSONValue, full: JSONValue)] = [
    (
      ["dim": "3", "float_vector": ["data": [1, 2, 2, 3, 4, 0]]],
      ["type": "FloatVector", "dim": 3, "first": [3.0, 4.0, 0.0], "norm": 5.0], [3.0, 4.0, 0.0]
    ),
    (
      ["dim": "8", "binary_vector": "AIE="],
      ["type": "BinaryVector", "dim": 8, "first": "10000001", "ones": 2], [129]
    ),
    // 1.0 and 0.5 as IEEE half and as bfloat16.
    (
      ["dim": "1", "float16_vector": .string(Base64.encode([0x00, 0x3C, 0x00, 0x38]))],
      ["type": "Float16Vector", "dim": 1, "first": [0.5], "norm": 0.5], [0.5]
    ),
    (
      ["dim": "1", "bfloat16_vector": .string(Base64.encode([0x80, 0x3F, 0x00, 0x3F]))],
      ["type": "BFloat16Vector", "dim": 1, "first": [0.5], "norm": 0.5], [0.5]
    ),
    (
      ["dim": "2", "int8_vector": .string(Base64.encode([1, 2, 0xFD, 4]))],
      ["type": "Int8Vector", "dim": 2, "first": [-3, 4], "norm": 5.0], [-3, 4]
    ),
    (
      [
        "dim": "8",
        "sparse_float_vector": [
          "dim": "8", "contents": ["", .string(Base64.encode([7, 0, 0, 0, 0, 0, 0x40, 0x40]))],
        ],
      ], ["type": "SparseFloatVector", "entries": 1, "first": ["7": 3.0], "norm": 3.0], ["7": 3.0]
    ),
  ]

  @Test(arguments: vectors.indices)
  func vectorsAreShownInShort(index: Int) throws {
    let (field, summary, full) = Self.vectors[index]
    let encoded = try bytes(field, "schema.VectorField", plain: true)
    let short = try #require(try shown(encoded, "schema.VectorField").objectValue)
    #expect(short["count"] == 2)
    #expect(short["vectors"]?.arrayValue?.last == summary)
    let official = try MessageJSON().json(of: encoded, as: type("schema.VectorField"))
    #expect(try shown(encoded, "schema.VectorField", full: true) == official)
    let column: JSONValue = ["field_name": "v", "vectors": field]
    let answer = try bytes(["fields_data": [column]], "milvus.QueryResults", plain: true)
    #expect(try shown(answer, "milvus.QueryResults", rows: true).row(1) == ["v": summary])
    #expect(try shown(answer, "milvus.QueryResults", rows: true, full: true).row(1) == ["v": full])
  }

  @Test func aVectorFieldWhoseBytesDoNotFitItsDimensionIsShownAsItIs() throws {
    for field: JSONValue in [
      ["dim": "3", "float_vector": ["data": [1.0, 2.0]]], ["dim": "-1", "int8_vector": "AQ=="],
      ["dim": "9", "binary_vector": "AQ=="], ["dim": "9223372036854775807", "float16_vector": "AQE="],
    ] {
      let encoded = try bytes(field, "schema.VectorField", plain: true)
      #expect(try shown(encoded, "schema.VectorField") == field)
    }
  }

  @Test func manyVectorsAreCounted() throws {
    let field: JSONValue = ["dim": "1", "float_vector": ["data": .array((0..<1000).map { .int($0) })]]
    let short = try shown(bytes(field, "schema.VectorField", plain: true), "schema.VectorField")
    #expect(short.objectValue?["count"] == 1000)
    #expect(short.objectValue?["vectors"]?.arrayValue?.count == 3)
  }

  // MARK: Rows

  @Test func columnsBecomeRows() throws {
    let answer: JSONValue = [
      "fields_data": [
        ["type": "Int64", "field_name": "id", "scalars": ["long_data": ["data": ["9007199254740993", "2"]]]],
        ["field_name": "flag", "scalars": ["bool_data": ["data": [true, false]]]],
        [
          "field_name": "json",
          "scalars": ["json_data": ["data": [.string(Base64.encode(Array(#"{"a":[1]}"#.utf8))), "eA=="]]],
        ],
        [
          "field_name": "list",
          "scalars": ["array_data": ["data": [["int_data": ["data": [1, 2]]], [:]], "element_type": "Int32"]],
        ],
        // Nulls in either form: a value for each row, or only for those that have one.
        ["field_name": "dense", "scalars": ["string_data": ["data": ["", "b"]]], "valid_data": [false, true]],
        ["field_name": "compact", "scalars": ["string_data": ["data": ["b"]]], "valid_data": [false, true]],
      ], "collection_name": "films",
    ]
    let rows = try shown(bytes(answer, "milvus.QueryResults", plain: true), "milvus.QueryResults", rows: true)
    #expect(rows.objectValue?["fields_data"] == nil)
    #expect(rows.objectValue?["collection_name"] == "films")
    #expect(
      rows.row(0) == [
        "id": 9_007_199_254_740_993, "flag": true, "json": ["a": [1]], "list": [1, 2], "dense": nil, "compact": nil,
      ])
    #expect(
      rows.row(1) == ["id": 2, "flag": false, "json": "eA==", "list": [], "dense": "b", "compact": "b"])
  }

  @Test func structsAreListsOfObjects() throws {
    let answer: JSONValue = [
      "fields_data": [
        [
          "field_name": "clips",
          "struct_arrays": [
            "fields": [
              ["field_name": "title", "scalars": ["array_data": ["data": [["string_data": ["data": ["a", "b"]]], [:]]]]],
              [
                "field_name": "v",
                "vectors": [
                  "dim": "1",
                  "vector_array": [
                    "data": [
                      ["dim": "1", "float_vector": ["data": [1.0, 2.0]]], ["dim": "1", "float_vector": [:]],
                    ]
                  ],
                ],
              ],
            ]
          ],
        ]
      ]
    ]
    let encoded = try bytes(answer, "milvus.QueryResults", plain: true)
    let rows = try shown(encoded, "milvus.QueryResults", rows: true, full: true)
    #expect(rows.row(0) == ["clips": [["title": "a", "v": [1.0]], ["title": "b", "v": [2.0]]]])
    #expect(rows.row(1) == ["clips": []])
  }

  @Test func hitsOfASearchHaveQueryKeyAndScore() throws {
    let answer: JSONValue = [
      "num_queries": "2", "top_k": "2", "topks": ["2", "1"], "scores": [0.5, 0.25, 1.0],
      "ids": ["int_id": ["data": ["7", "8", "9"]]],
      "fields_data": [["field_name": "title", "scalars": ["string_data": ["data": ["a", "b", "c"]]]]],
    ]
    let rows = try shown(bytes(answer, "schema.SearchResultData", plain: true), "schema.SearchResultData", rows: true)
    #expect(rows.row(1) == ["$query": 0, "$id": "8", "$score": 0.25, "title": "b"])
    #expect(rows.row(2) == ["$query": 1, "$id": "9", "$score": 1.0, "title": "c"])
  }

  @Test func aColumnThatCannotBeTakenApartLeavesAllAsTheyAre() throws {
    let answer: JSONValue = [
      "fields_data": [
        ["field_name": "a", "scalars": ["long_data": ["data": ["1"]]]],
        ["field_name": "b", "scalars": ["long_data": ["data": ["1"]]], "valid_data": [true, true]],
      ]
    ]
    let encoded = try bytes(answer, "milvus.QueryResults", plain: true)
    #expect(try shown(encoded, "milvus.QueryResults", rows: true).objectValue?["fields_data"]?.arrayValue?.count == 2)
  }

  // MARK: Placeholders

  @Test func theVectorsOfASearchAreWrittenAsNumbers() throws {
    let request: JSONValue = [
      "placeholder_group": [
        "placeholders": [["tag": "$0", "type": "FloatVector", "values": [[0.5, -1.0], [3.0, 4.0]]]]
      ]
    ]
    let encoded = try bytes(request, "milvus.SearchRequest")
    #expect(try shown(encoded, "milvus.SearchRequest", full: true) == request)
    let inner = try bytes(
      [
        "placeholders": [
          [
            "tag": "$0", "type": "FloatVector",
            "values": [
              .string(Base64.encode([0, 0, 0, 0x3F, 0, 0, 0x80, 0xBF])),
              .string(Base64.encode([0, 0, 0x40, 0x40, 0, 0, 0x80, 0x40])),
            ],
          ]
        ]
      ], "common.PlaceholderGroup", plain: true)
    #expect(
      try MessageJSON().json(of: encoded, as: type("milvus.SearchRequest")) == [
        "placeholder_group": .string(Base64.encode(inner))
      ])
    for (kind, value): (JSONValue, JSONValue) in [
      ("Int8Vector", [-128, 127]), ("BFloat16Vector", [0.5]), ("Float16Vector", [0.5]), ("BinaryVector", [255]),
      ("SparseFloatVector", ["3": 0.5, "9": 1.0]),
    ] {
      let group: JSONValue = ["placeholders": [["tag": "$0", "type": kind, "values": [value]]]]
      #expect(try shown(bytes(group, "common.PlaceholderGroup"), "common.PlaceholderGroup", full: true) == group)
    }
    for wrong: JSONValue in [[1, "x"], [["a": 1]], 5] {
      #expect(throws: ProtobufError.self) {
        try bytes(["placeholders": [["type": "FloatVector", "values": [wrong]]]], "common.PlaceholderGroup")
      }
    }
  }

  // MARK: Oddities

  @Test func whatIsNotShownIsReported() throws {
    var form = MessageJSON()
    form.isLenient = true
    // Status: field 900 twice, code (3) as text, reason (2) with a byte that is no UTF-8.
    var writer = WireWriter()
    writer.varint(900, 1)
    writer.varint(900, 300)
    writer.string(3, "x")
    writer.lengthDelimited(2, [0x61, 0xFF])
    let (json, oddities) = try form.decode(writer.bytes, as: type("common.Status"))
    #expect(json == ["reason": "a\u{FFFD}"])
    let name = "milvus.proto.common.Status"
    #expect(
      oddities == [
        WireOddity(kind: .unknownField, type: name, number: 900, wireType: .varint, count: 2, byteCount: 3),
        WireOddity(kind: .wrongWireType, type: name, number: 3, wireType: .lengthDelimited, count: 1, byteCount: 1),
        WireOddity(kind: .notText, type: name, number: 2, wireType: .lengthDelimited, count: 1, byteCount: 2),
      ])
    #expect(throws: ProtobufError.self) { try MessageJSON().json(of: writer.bytes, as: type("common.Status")) }
  }

  @Test func defaultsAreShownOnRequest() throws {
    var form = MessageJSON()
    form.showsDefaults = true
    #expect(
      try form.json(of: [], as: type("common.Status")) == [
        "error_code": "Success", "reason": "", "code": 0, "retriable": false, "detail": "", "extra_info": [:],
      ])
    #expect(try form.json(of: [], as: type("schema.ValueField")) == [:])
    #expect(try form.json(of: [], as: type("schema.LongArray")) == ["data": []])
  }
}

extension JSONValue {
  fileprivate func row(_ index: Int) -> JSONValue? {
    guard let rows = objectValue?["rows"]?.arrayValue, rows.indices.contains(index) else { return nil }
    return rows[index]
  }
}
