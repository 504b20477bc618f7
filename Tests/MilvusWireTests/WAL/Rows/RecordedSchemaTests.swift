import MilvusWire
import TestSupport
import Testing

/// Collections followed through the log of a real server, against what the server itself described at the end.
@Suite struct RecordedSchemaTests {
  private static func described(_ folder: String) throws -> [(path: String, wanted: CollectionDescription)] {
    try RecordedRows.calls("\(folder)/rpc-describe").compactMap { call in
      guard call.method == "DescribeCollection", let answer = call.response else { return nil }
      let wanted = try CollectionDescription(answer: answer)
      return wanted.id == 0 ? nil : ("\(wanted.dbName).\(wanted.name)", wanted)
    }
  }

  @Test(arguments: RecordedRows.folders)
  func `the log leads to what DescribeCollection answers`(folder: String) throws {
    let recorded = try RecordedRows(folder)
    #expect(recorded.unknownPaths.isEmpty)
    let answers = try Self.described(folder)
    #expect(answers.count >= 7)
    for (path, answer) in answers {
      var wanted = answer
      var found = try #require(recorded.collections[wanted.id], "\(path)")
      // Not in the log: aliases, and the version of a schema, which 2.6 keeps to itself.
      (wanted.aliases, found.aliases) = ([], [])
      if folder == "source" { (wanted.schema.version, found.schema.version) = (0, 0) }
      // Loading sets a property behind the log's back on some calls; updates have their own times.
      wanted.updatedAt = found.updatedAt
      #expect(found.schema == wanted.schema, "\(path)")
      #expect(found == wanted, "\(path)")
    }
  }

  @Test(arguments: RecordedRows.folders)
  func `a schema written for a log and read again is the same`(folder: String) throws {
    for (path, answer) in try Self.described(folder) {
      let logged = LogSchema.logged(answer.schema, consistencyLevel: answer.consistencyLevel)
      #expect(logged.fields.contains { $0.name == "Timestamp" && $0.fieldID == 1 } && logged.fields.contains { $0.name == "RowID" })
      let again = LogSchema(logged)
      #expect(again.schema == answer.schema, "\(path)")
      #expect(again.consistencyLevel == answer.consistencyLevel && again.refusals.isEmpty)
      // New ids where there are none; a server gave the same ones, but for fields that were added later.
      var bare = answer.schema
      bare.fields = bare.fields.map {
        var field = $0; field.fieldID = 0; field.isFunctionOutput = false; return field
      }
      for index in bare.structArrayFields.indices {
        bare.structArrayFields[index].fieldID = 0
        for inner in bare.structArrayFields[index].fields.indices { bare.structArrayFields[index].fields[inner].fieldID = 0 }
      }
      for index in bare.functions.indices {
        (bare.functions[index].id, bare.functions[index].inputFieldIDs, bare.functions[index].outputFieldIDs) = (0, [], [])
      }
      let given = LogSchema.withIDs(bare)
      let ids = given.fields.map(\.fieldID) + given.structArrayFields.flatMap { [$0.fieldID] + $0.fields.map(\.fieldID) }
      #expect(Set(ids).count == ids.count && ids.allSatisfy { $0 >= 100 })
      if answer.schema.version == 0, answer.name != "c_int64" { #expect(given == answer.schema, "\(path)") }
    }
  }
}
