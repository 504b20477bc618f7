import Foundation
import MilvusWire
import TestSupport

/// Recorded answers and requests of real servers (`Fixtures/public-rpc/README.md`) and the schemas they belong to.
enum RowFixtures {
  static func message(_ name: String) throws -> [UInt8] {
    let folder = TestPaths.projectRoot.appending(path: "Tests/MilvusWireTests/Fixtures/public-rpc")
    return Array(try Data(contentsOf: folder.appending(path: "\(name).bin")))
  }

  /// The FieldData of an answer (field 2 of QueryResults) or a request (field 5 of InsertRequest).
  static func page(_ name: String, field: UInt32 = 2) throws -> RowPage {
    let bytes = try message(name)
    var reader = WireReader(bytes)
    var page = RowPage(bytes: bytes, columns: [])
    while let part = try reader.next() {
      if part.number == field, let range = part.range { page.columns.append(range) }
    }
    return page
  }

  /// `fx_mixed`: 11 fields and `$meta`.
  static let mixed: [FieldSchema] = {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    var vector = FieldSchema(name: "vec", dataType: .floatVector)
    vector.typeParams = [KeyValuePair("dim", "4")]
    var ints = FieldSchema(name: "a_i32", dataType: .array)
    ints.elementType = .int32
    var texts = FieldSchema(name: "a_s", dataType: .array)
    texts.elementType = .varChar
    var meta = FieldSchema(name: "$meta", dataType: .json)
    meta.isDynamic = true
    return [
      key, vector, FieldSchema(name: "b", dataType: .bool), FieldSchema(name: "i8", dataType: .int8),
      FieldSchema(name: "i64", dataType: .int64), FieldSchema(name: "f", dataType: .float),
      FieldSchema(name: "d", dataType: .double), FieldSchema(name: "s", dataType: .varChar),
      FieldSchema(name: "j", dataType: .json), ints, texts, meta,
    ]
  }()

  /// `fx_null`: a nullable field, a default, a sparse vector, a nullable timestamptz, a geometry.
  static let nullable: [FieldSchema] = {
    var key = FieldSchema(name: "id", dataType: .int64)
    key.isPrimaryKey = true
    var vector = FieldSchema(name: "vec", dataType: .floatVector)
    vector.typeParams = [KeyValuePair("dim", "4")]
    var number = FieldSchema(name: "n", dataType: .int32)
    number.nullable = true
    var standard = FieldSchema(name: "df", dataType: .double)
    standard.defaultValue = .double(1.5)
    var time = FieldSchema(name: "tz", dataType: .timestamptz)
    time.nullable = true
    return [
      key, vector, number, standard, FieldSchema(name: "sp", dataType: .sparseFloatVector), time,
      FieldSchema(name: "g", dataType: .geometry),
    ]
  }()

  static func forms(_ fields: [FieldSchema], acceptsFlags: Bool) -> [ColumnForm] {
    fields.map { ColumnForm($0, acceptsFlags: acceptsFlags) }
  }
}
