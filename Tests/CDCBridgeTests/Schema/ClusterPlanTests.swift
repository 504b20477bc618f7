import CDCBridge
import MilvusWire
import Testing

@Suite struct ClusterPlanTests {
  private func plan(
    _ collections: [(String, Int64)], records: [OwnedCollection] = [], databases: [String] = ["default"],
    listed: Set<String>? = nil, selection: ObjectSelection = ObjectSelection(patterns: [.init(database: "*", collection: "*")]),
    targetDatabases: [String] = ["default"], owned: Set<String> = [],
    target: ServerProfile = Sample.milvus235
  ) -> ClusterPlan {
    let found = collections.map { name, id -> (CollectionPath, CollectionIdentity) in
      let parts = name.split(separator: ".").map(String.init)
      return (
        CollectionPath(database: parts[0], name: parts[1]),
        CollectionIdentity(id: id, createdAt: TimeTick(UInt64(id)))
      )
    }
    return ClusterPlan(
      ClusterPlan.Input(
        listing: SourceListing(
          databases: databases, listed: listed ?? Set(databases),
          collections: Dictionary(uniqueKeysWithValues: found)),
        selection: selection, records: records, targetDatabases: targetDatabases, ownedDatabases: owned,
        sourceProfile: Sample.milvus235, targetProfile: target))
  }
  private func record(_ name: String, _ id: Int64, target: String? = nil, adopted: Bool = false) -> OwnedCollection {
    var record = OwnedCollection(
      source: Sample.path(name), target: Sample.path(target ?? name), stage: .owned,
      sourceIdentity: CollectionIdentity(id: id, createdAt: TimeTick(UInt64(id))), fingerprint: "f")
    record.isAdopted = adopted
    return record
  }

  @Test func `nothing new needs nothing`() {
    #expect(plan([("default.a", 1)], records: [record("a", 1)]).steps == [])
  }

  @Test func `a collection that a successful listing lacks is dropped`() {
    let a = record("a", 1)
    #expect(plan([], records: [a]).steps == [.drop(a, forgetOnly: false)])
  }

  @Test func `a collection of a database that could not be listed is not dropped`() {
    #expect(plan([], records: [record("a", 1)], listed: []).steps == [])
  }

  @Test func `a collection of a dropped database is dropped`() {
    var a = record("a", 1)
    a.source = Sample.path("a", database: "films")
    #expect(plan([], records: [a], databases: ["default"]).steps == [.drop(a, forgetOnly: false)])
  }

  @Test func `an adopted collection outlives its source and is named`() {
    let a = record("a", 1, adopted: true)
    let made = plan([], records: [a])
    #expect(made.steps == [.drop(a, forgetOnly: true)])
    #expect(made.notes.count == 1)
  }

  @Test func `an id under a new name is a rename`() {
    let a = record("a", 1)
    #expect(
      plan([("default.b", 1)], records: [a]).steps == [
        .rename(a, to: Sample.path("b"), source: Sample.path("b"))
      ])
  }

  @Test func `what was made a second time under its new name goes under its old one`() {
    let old = record("a", 1), new = record("b", 1)
    #expect(plan([("default.b", 1)], records: [old, new]).steps == [.drop(old, forgetOnly: false)])
    #expect(
      plan([("default.b", 1)], records: [record("a", 1, adopted: true), new]).steps == [
        .drop(record("a", 1, adopted: true), forgetOnly: true)
      ])
  }

  @Test func `a recreated collection under the old name is not a drop`() {
    #expect(plan([("default.a", 2)], records: [record("a", 1)]).steps == [])
  }

  @Test func `without ids a rename is a drop and a new collection`() {
    let a = record("a", 0)
    #expect(plan([("default.b", 0)], records: [a]).steps == [.drop(a, forgetOnly: false)])
  }

  @Test func `a chain of renames starts where the name is free`() {
    let a = record("a", 1)
    let b = record("b", 2)
    #expect(
      plan([("default.b", 1), ("default.c", 2)], records: [a, b]).steps == [
        .rename(b, to: Sample.path("c"), source: Sample.path("c")),
        .rename(a, to: Sample.path("b"), source: Sample.path("b")),
      ])
  }

  @Test func `a drop makes room for a rename`() {
    let a = record("a", 1)
    let b = record("b", 2)
    #expect(
      plan([("default.b", 1)], records: [a, b]).steps == [
        .drop(b, forgetOnly: false), .rename(a, to: Sample.path("b"), source: Sample.path("b")),
      ])
  }

  @Test func `two collections that swap their names pass by a way station`() {
    let a = record("a", 1)
    let b = record("b", 2)
    let station = Sample.path("cdc_bridge_moving_1")
    var moved = a
    moved.target = station
    #expect(
      plan([("default.b", 1), ("default.a", 2)], records: [a, b]).steps == [
        .rename(a, to: station, source: nil),
        .rename(b, to: Sample.path("a"), source: Sample.path("a")),
        .rename(moved, to: Sample.path("b"), source: Sample.path("b")),
      ])
  }

  @Test func `a rename that a mapping hides moves the record only`() {
    var selection = ObjectSelection(patterns: [.init(database: "default", collection: "*")])
    selection.mappings = [.init(sourceDatabase: "default", targetDatabase: "default", collections: ["b": "a"])]
    let a = record("a", 1)
    #expect(
      plan([("default.b", 1)], records: [a], selection: selection).steps == [
        .move(a, source: Sample.path("b"))
      ])
  }

  @Test func `Lite is not asked to rename across databases`() {
    let a = record("a", 1)
    let made = plan(
      [("films.a", 1)], records: [a], databases: ["default", "films"],
      targetDatabases: ["default", "films"], target: Sample.lite)
    #expect(made.steps == [.drop(a, forgetOnly: false)])
  }

  @Test func `databases come first, empty ones only where the task covers the whole of them`() {
    let made = plan([("films.a", 1)], databases: ["default", "films", "empty"])
    #expect(made.steps == [.createDatabase("empty"), .createDatabase("films")])
    let narrow = ObjectSelection(patterns: [.init(database: "*", collection: "a")])
    #expect(
      plan([("films.a", 1)], databases: ["default", "films", "empty"], selection: narrow).steps == [
        .createDatabase("films")
      ])
  }

  @Test func `a database that the task made goes with its source`() {
    #expect(
      plan([], targetDatabases: ["default", "films"], owned: ["films"]).steps == [.dropDatabase("films")])
    #expect(plan([], targetDatabases: ["default", "films"]).steps == [])
  }

  @Test func `two collections with one target name are both refused`() {
    var selection = ObjectSelection(patterns: [.init(database: "*", collection: "*")])
    selection.mappings = [.init(sourceDatabase: "films", targetDatabase: "default", collections: [:])]
    let made = plan([("default.a", 1), ("films.a", 2)], databases: ["default", "films"], selection: selection)
    #expect(Set(made.conflicts.keys) == [Sample.path("a"), Sample.path("a", database: "films")])
  }
}
