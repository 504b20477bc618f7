/// A collection's schema as the log has it, turned into the one that DescribeCollection shows (`wal-protocol.md` §3.7).
///
/// | in the log | here |
/// |---|---|
/// | RowID, Timestamp and other fields with ids below 100, anywhere in the list | left out |
/// | the field `$meta` | left out; `enableDynamicField` says it |
/// | `struct[sub]` | `sub` |
/// | property `consistency_level` | `consistencyLevel` |
/// | ids of fields and functions, `version` | kept: rows are matched by them |
///
/// What no public call can make again (external collections, file resources, namespaces) is named in `refusals`; the schema is there all the same,
/// so that a catalog can say which collection it leaves out, and why.
package struct LogSchema: Sendable, Equatable {
  /// In public form, with ids. Its properties are those of DescribeCollection, the server's own among them.
  package var schema: CollectionSchema
  /// `common.ConsistencyLevel`; nil where the log does not say it, as in changes of a schema.
  package var consistencyLevel: Int32?
  /// Why the collection cannot be made on another cluster, a line each, by name; empty: it can.
  package var refusals: [String]

  package init(_ logged: CollectionSchema) {
    refusals = Self.refusals(of: logged)
    consistencyLevel = Self.consistencyLevel(logged.properties)
    schema = logged
    schema.fields = logged.fields.filter { !Self.isSystem($0) && !$0.isDynamic }
    schema.enableDynamicField = logged.enableDynamicField || logged.fields.contains(where: \.isDynamic)
    schema.properties = Self.publicProperties(logged.properties)
    for index in schema.structArrayFields.indices {
      for inner in schema.structArrayFields[index].fields.indices {
        let name = schema.structArrayFields[index].fields[inner].name
        schema.structArrayFields[index].fields[inner].name = ColumnForm.bareName(name)
      }
    }
  }

  /// The bytes of a `schema.CollectionSchema` in a body of the log.
  package init(encoded bytes: [UInt8]) throws(ProtobufError) { self.init(try CollectionSchema(encoded: bytes)) }

  /// What `enable_dynamic_field` adds; DescribeCollection does not list it.
  package static let dynamicField: FieldSchema = {
    var field = FieldSchema(name: "$meta", dataType: .json)
    field.isDynamic = true
    return field
  }()

  /// The name under which the log keeps the consistency level of a collection.
  package static let consistencyProperty = "consistency_level"

  /// Properties that a server gives every collection itself: they describe that server's own book-keeping, not the collection. A timezone that somebody
  /// chose is not one of them, so `timezone` counts only with the value that servers fill in.
  package static func isServersOwn(_ property: KeyValuePair) -> Bool {
    switch property.key {
    case "namespace.sharding.enabled", "max_field_id", "preserve_field_ids": true
    case "timezone": property.value == "UTC"
    default: false
    }
  }

  /// The properties without what `isServersOwn` names.
  package var ownProperties: [KeyValuePair] { schema.properties.filter { !Self.isServersOwn($0) } }

  /// Properties as DescribeCollection shows them: the consistency level is a member of its own there.
  package static func publicProperties(_ logged: [KeyValuePair]) -> [KeyValuePair] {
    logged.filter { $0.key != consistencyProperty }
  }

  package static func consistencyLevel(_ properties: [KeyValuePair]) -> Int32? {
    properties[consistencyProperty].flatMap { Int32($0) }
  }

  /// A field that the server has beside the user's own.
  static func isSystem(_ field: FieldSchema) -> Bool {
    if LogColumnPlaces.systemNames.contains(field.name) { return true }
    // Ids of the user's fields begin at 100; a list without any ids has none to go by.
    return field.fieldID > 0 && field.fieldID < LogColumnPlaces.firstFieldID
  }

  private static func refusals(of logged: CollectionSchema) -> [String] {
    var lines: [String] = []
    if !logged.externalSource.isEmpty || !logged.externalSpec.isEmpty {
      lines.append("collection \(logged.name): its rows lie in an external source")
    }
    for field in logged.fields where !field.externalField.isEmpty {
      lines.append("field \(field.name): it is a column of an external source")
    }
    if !logged.fileResourceIDs.isEmpty {
      lines.append("collection \(logged.name): it uses file resources of its cluster")
    }
    if logged.enableNamespace || logged.fields.contains(where: { $0.name == "$namespace_id" }) {
      lines.append("collection \(logged.name): it has namespaces")
    }
    return lines
  }
}

/// Which partition a write must name (`wal-protocol.md` §3.6).
package enum LogPartition {
  /// `logged`: the name in an insert or a delete; empty: every partition, or the default one. A collection with a partition key has internal
  /// partitions, which no request may name.
  package static func name(_ logged: String, in schema: CollectionSchema) -> String {
    schema.partitionKey != nil || schema.enableNamespace ? "" : logged
  }
}
