import CDCBridge
import MilvusWire
import Testing

@Suite struct CollectionPlannerTests {
  private func planner(
    from: ServerProfile = Sample.milvus235, to: ServerProfile = Sample.milvus235,
    ddl: TaskSpec.DDLPolicy = .apply, adopt: Bool = false
  ) -> CollectionPlanner {
    CollectionPlanner(sourceProfile: from, targetProfile: to, ddl: ddl, adopt: adopt)
  }
  private func claim(
    _ planner: CollectionPlanner, _ source: CollectionState, _ target: CollectionState?,
    _ record: OwnedCollection?, rows: Int64? = nil
  ) throws -> CollectionClaim {
    let blueprint = try SchemaBlueprint(
      source: source, target: target?.path ?? source.path, sourceProfile: planner.sourceProfile,
      targetProfile: planner.targetProfile)
    return planner.claim(
      source: source, blueprint: blueprint, target: target, record: record, targetRows: rows)
  }
  private func align(
    _ planner: CollectionPlanner, _ source: CollectionState, _ target: CollectionState,
    _ record: OwnedCollection? = nil
  ) throws -> CollectionAlignment {
    let blueprint = try SchemaBlueprint(
      source: source, target: target.path, sourceProfile: planner.sourceProfile,
      targetProfile: planner.targetProfile)
    return try planner.align(source: source, blueprint: blueprint, target: target, record: record)
  }
  private let target = Sample.state(id: 70)

  // MARK: Whose is it?

  @Test func `a missing target is created, also when it was the task's and somebody dropped it`() throws {
    let source = Sample.state()
    #expect(try claim(planner(), source, nil, nil) == .create)
    let record = try Sample.record(source: source, target: target)
    #expect(try claim(planner(), source, nil, record) == .create)
  }

  @Test func `a foreign collection is counted first, taken when empty, and left alone when it holds rows`() throws {
    let source = Sample.state()
    #expect(try claim(planner(), source, target, nil) == .countTarget)
    #expect(try claim(planner(), source, target, nil, rows: 0) == .adopt(isEmpty: true))
    guard case .conflict(let error) = try claim(planner(), source, target, nil, rows: 3) else {
      Issue.record("rows of somebody else were taken")
      return
    }
    #expect(error.code == .notOwned)
    #expect(error.hint?.contains("adopt: true") == true)
  }

  @Test func `adopt takes rows over, but not another schema`() throws {
    let source = Sample.state()
    #expect(try claim(planner(adopt: true), source, target, nil, rows: 3) == .adopt(isEmpty: false))
    let other = Sample.state(Sample.schema("a", [Sample.field("x", .int8)]), id: 70)
    guard case .conflict(let error) = try claim(planner(adopt: true), source, other, nil, rows: 0) else {
      Issue.record("another schema was taken")
      return
    }
    #expect(error.message.contains("field x is not in the source"))
  }

  @Test func `a collection that took the name of the task's is foreign`() throws {
    let source = Sample.state()
    let record = try Sample.record(source: source, target: target)
    let other = Sample.state(id: 71)
    #expect(try claim(planner(), source, other, record) == .countTarget)
  }

  @Test func `another collection of the same name on the source is copied anew`() throws {
    let record = try Sample.record(source: Sample.state(id: 7), target: target)
    #expect(try claim(planner(), Sample.state(id: 8), target, record) == .recreate)
  }

  @Test func `a creation time alone tells two collections apart`() throws {
    let source = Sample.state(id: 7)
    let record = try Sample.record(source: source, target: target)
    var again = source
    again.description.createdAt = TimeTick(99)
    #expect(try claim(planner(), again, target, record) == .recreate)
  }

  @Test func `on Lite, which has no ids, another schema is another collection`() throws {
    let planner = planner(from: Sample.lite)
    let source = Sample.state(id: 0)
    let record = try Sample.record(source: source, target: target, profile: Sample.lite)
    #expect(try claim(planner, source, target, record) == .keep)
    let changed = Sample.state(Sample.schema("a", [Sample.field("x", .int8)]), id: 0)
    #expect(try claim(planner, changed, target, record) == .recreate)
  }

  @Test func `a schema change that nothing can apply stops the collection by name`() throws {
    let source = Sample.state()
    let record = try Sample.record(source: source, target: target)
    let grown = Sample.state(Sample.schema("a", [Sample.field("x", .int8)]))
    guard case .conflict(let error) = try claim(planner(), grown, target, record) else {
      Issue.record("not a conflict")
      return
    }
    #expect(error.code == .schemaConflict)
    #expect(error.message.contains("field x is missing"))
  }

  @Test func `what a target lost while it made the collection is a conflict`() throws {
    let source = Sample.state(Sample.schema("a", [Sample.field("n", .int64)]))
    var record = try Sample.record(source: source, target: target)
    record.stage = .creating
    guard case .conflict(let error) = try claim(planner(), source, target, record) else {
      Issue.record("not a conflict")
      return
    }
    #expect(error.code == .targetUnsupported)
  }

  @Test func `a half dropped collection is dropped again`() throws {
    var record = try Sample.record(source: Sample.state(), target: target)
    record.stage = .dropping
    #expect(try claim(planner(), Sample.state(), target, record) == .recreate)
  }

  @Test func `source and target may not be one collection`() throws {
    let source = Sample.state()
    guard case .conflict(let error) = try claim(planner(adopt: true), source, source, nil, rows: 0) else {
      Issue.record("the collection would be copied into itself")
      return
    }
    #expect(error.code == .invalidInput)
  }

  @Test(arguments: [TaskSpec.DDLPolicy.ignore, .stop])
  func `ddl holds back a recreation`(_ ddl: TaskSpec.DDLPolicy) throws {
    let record = try Sample.record(source: Sample.state(id: 7), target: target)
    let other = Sample.state(Sample.schema("a", [Sample.field("x", .int8)]), id: 8)
    guard case .conflict(let error) = try claim(planner(ddl: ddl), other, target, record) else {
      Issue.record("not held back")
      return
    }
    #expect(error.code == (ddl == .stop ? .schemaChange : .schemaConflict))
  }

  // MARK: Alignment

  @Test func `partitions, index and load follow, in the order that servers need`() throws {
    let source = Sample.state {
      $0.partitions = ["_default", "p1"]
      $0.indexes = [Sample.hnsw]
      $0.loaded = .all
    }
    let found = Sample.state(id: 70) { $0.partitions = ["_default", "old"] }
    let plan = try align(planner(), source, found)
    #expect(
      plan.actions.map(\.description) == [
        "drop partition old of default.a", "create partition p1 of default.a",
        "create index iv on v of default.a: HNSW L2 M=8 efConstruction=64", "load default.a",
      ])
  }

  @Test func `equal sides need nothing`() throws {
    let source = Sample.state {
      $0.indexes = [Sample.hnsw]
      $0.loaded = .all
    }
    var found = source
    found.description.id = 70
    #expect(try align(planner(), source, found).actions == [])
  }

  @Test func `an index in other words is the same index`() throws {
    let source = Sample.state { $0.indexes = [Sample.hnsw] }
    let flat = Sample.index(
      "v", "iv", ["index_type": "hnsw", "metric_type": "l2", "M": "8", "efConstruction": "64"])
    let spaced = Sample.index(
      "v", "v",
      ["index_type": "HNSW", "metric_type": "L2", "params": #"{"M": 8, "efConstruction": 64}"#])
    #expect(try align(planner(), source, Sample.state(id: 70) { $0.indexes = [flat] }).actions == [])
    #expect(
      try align(planner(to: Sample.lite), source, Sample.state(id: 0) { $0.indexes = [spaced] }).actions
        == [])
  }

  @Test func `a changed index is dropped and made again, released before and loaded after`() throws {
    let source = Sample.state {
      $0.indexes = [Sample.index("v", "iv", ["index_type": "FLAT", "metric_type": "IP"])]
      $0.loaded = .all
    }
    let found = Sample.state(id: 70) {
      $0.indexes = [Sample.hnsw]
      $0.loaded = .all
    }
    #expect(
      try align(planner(), source, found).actions.map(\.description) == [
        "release default.a", "drop index iv on v of default.a",
        "create index iv on v of default.a: FLAT IP", "load default.a",
      ])
  }

  @Test func `an index that the server describes in its own way is not made again and again`() throws {
    let source = Sample.state { $0.indexes = [Sample.index("v", "iv", ["index_type": "AUTOINDEX", "metric_type": "L2"])] }
    let found = Sample.state(id: 70) { $0.indexes = [Sample.hnsw] }
    var record = try Sample.record(source: source, target: found)
    #expect(try align(planner(), source, found, record).actions.count == 2)
    record.indexes["v"] = OwnedCollection.IndexPair(
      source: source.indexes[0].fingerprint, target: found.indexes[0].fingerprint)
    #expect(try align(planner(), source, found, record).actions == [])
  }

  @Test func `what Lite means without saying is said to Milvus`() throws {
    let source = Sample.state(id: 0) {
      $0.indexes = [Sample.index("v", "v", ["index_type": "HNSW", "metric_type": "L2"])]
    }
    #expect(
      try align(planner(from: Sample.lite), source, target).actions.map(\.description) == [
        "create index v on v of default.a: HNSW L2 M=16 efConstruction=200"
      ])
    #expect(
      try align(planner(from: Sample.lite, to: Sample.lite), source, Sample.state(id: 0)).actions.map(\.description)
        == ["create index v on v of default.a: HNSW L2"])
  }

  @Test func `why an index is another one is said at every look`() throws {
    let source = Sample.state { $0.indexes = [Sample.index("v", "iv", ["index_type": "FANCY", "metric_type": "L2"])] }
    let found = Sample.state(id: 70) { $0.indexes = [Sample.index("v", "iv", ["index_type": "FLAT", "metric_type": "L2"])] }
    var record = try Sample.record(source: source, target: found, profile: Sample.milvus26, targetProfile: Sample.milvus26)
    record.indexes["v"] = OwnedCollection.IndexPair(
      source: source.indexes[0].fingerprint, target: found.indexes[0].fingerprint, note: "index iv on v: FLAT")
    let plan = try align(planner(from: Sample.milvus26, to: Sample.milvus26), source, found, record)
    #expect(plan.actions == [])
    #expect(plan.notes == ["index iv on v: FLAT"])
  }

  @Test func `a type that Lite does not build is replaced and named`() throws {
    let source = Sample.state {
      $0.indexes = [Sample.index("v", "iv", ["index_type": "IVF_PQ", "metric_type": "L2", "nlist": "8"])]
      $0.loaded = .all
    }
    let plan = try align(planner(to: Sample.lite), source, Sample.state(id: 0) { $0.loaded = .all })
    #expect(plan.actions.map(\.description) == ["create index iv on v of default.a: FLAT L2"])
    #expect(plan.notes.contains { $0.contains("IVF_PQ") && $0.contains("FLAT stands in") })
  }

  @Test func `scalar indexes that the target does not have are named and left out`() throws {
    let schema = Sample.schema("a", [Sample.field("n", .int64)])
    let source = Sample.state(schema) { $0.indexes = [Sample.index("n", "in", ["index_type": "STL_SORT"])] }
    let plan = try align(planner(to: Sample.lite), source, Sample.state(schema, id: 0))
    #expect(plan.actions == [])
    #expect(plan.notes.contains { $0.contains("index in on n") })
    let inverted = Sample.state(schema, id: 0) {
      $0.indexes = [Sample.index("n", "n", ["index_type": "INVERTED", "metric_type": "NONE"])]
    }
    let back = try align(planner(from: Sample.lite, to: Sample.milvus235), inverted, Sample.state(schema, id: 70))
    #expect(back.actions == [])
    #expect(back.notes.contains { $0.contains("INVERTED") })
  }

  @Test func `a loaded source without an index gets a helper index on Milvus, which cannot load without`() throws {
    let source = Sample.state(id: 0) { $0.loaded = .all }
    let plan = try align(planner(from: Sample.lite), source, target)
    #expect(
      plan.actions.map(\.description) == [
        "create index cdc_bridge_helper_v on v of default.a: FLAT L2", "load default.a",
      ])
    #expect(plan.notes.count == 1)
    var made = target
    made.indexes = [Sample.index("v", "cdc_bridge_helper_v", ["index_type": "FLAT", "metric_type": "L2"])]
    made.loaded = .all
    #expect(try align(planner(from: Sample.lite), source, made).actions == [])
  }

  struct Load: Sendable, CustomTestStringConvertible {
    var source: LoadedPart, target: LoadedPart
    var actions: [String]
    var isLite = false
    var testDescription: String { "\(source) → \(target)\(isLite ? " on Lite" : "")" }
  }
  static let loads: [Load] = [
    Load(source: .all, target: .none, actions: ["load default.a"]),
    Load(source: .all, target: .some(["p1"]), actions: ["load default.a"]),
    Load(source: .all, target: .all, actions: []),
    Load(source: .none, target: .all, actions: ["release default.a"]),
    Load(source: .none, target: .none, actions: []),
    Load(source: .loading, target: .all, actions: []),
    Load(source: .some(["p1"]), target: .none, actions: ["load partitions p1 of default.a"]),
    Load(source: .some(["p1"]), target: .all, actions: ["release partitions _default of default.a"]),
    Load(source: .some(["p1"]), target: .some(["p1"]), actions: []),
    Load(source: .some(["p1"]), target: .none, actions: ["load default.a"], isLite: true),
    Load(source: .none, target: .all, actions: ["release default.a"], isLite: true),
  ]
  @Test(arguments: loads) func `load state follows`(_ row: Load) throws {
    func state(_ id: Int64, _ loaded: LoadedPart) -> CollectionState {
      Sample.state(id: id) {
        $0.partitions = ["_default", "p1"]
        $0.indexes = [Sample.hnsw]
        $0.loaded = loaded
      }
    }
    let planner = planner(to: row.isLite ? Sample.lite : Sample.milvus235)
    let plan = try align(planner, state(7, row.source), state(row.isLite ? 0 : 70, row.target))
    #expect(plan.actions.map(\.description) == row.actions)
  }

  @Test func `a collection of Lite without an index is not released for ever`() throws {
    let plan = try align(
      planner(to: Sample.lite), Sample.state { $0.loaded = .none }, Sample.state(id: 0) { $0.loaded = .all })
    #expect(plan.actions == [])
  }

  @Test func `properties are set and removed, and what an old server cannot remove is named`() throws {
    let source = Sample.state { $0.description.properties = [KeyValuePair("collection.ttl.seconds", "9")] }
    let found = Sample.state(id: 70) {
      $0.description.properties = [
        KeyValuePair("collection.ttl.seconds", "8"), KeyValuePair("timezone", "UTC"),
        KeyValuePair("collection.resource_groups", "mine"),
      ]
    }
    let set = [KeyValuePair("collection.ttl.seconds", "9")]
    let old = try align(planner(), source, found)
    #expect(old.actions == [.alterCollection(found.path, set: set, delete: [])])
    #expect(old.notes.contains { $0.contains("timezone") })
    let new = try align(planner(to: Sample.milvus26), source, found)
    #expect(new.actions == [.alterCollection(found.path, set: set, delete: ["timezone"])])
  }

  @Test func `a field that the source got is added where the target can`() throws {
    let added = Sample.field("n", .int64) { $0.nullable = true }
    let source = Sample.state(Sample.schema("a", [added]))
    let planner = planner(from: Sample.milvus26, to: Sample.milvus26)
    let record = try Sample.record(
      source: Sample.state(), target: target, profile: Sample.milvus26, targetProfile: Sample.milvus26)
    #expect(try claim(planner, source, target, record) == .keep)
    #expect(
      try align(planner, source, target, record).actions.map(\.description) == [
        "add field n to default.a"
      ])
  }

  @Test func `the partitions of a partition key are never named`() throws {
    let key = Sample.field("k", .int64) { $0.isPartitionKey = true }
    let source = Sample.state(Sample.schema("a", [key])) { $0.partitions = ["_default_0", "_default_1"] }
    let found = Sample.state(Sample.schema("a", [key]), id: 0) { $0.partitions = ["_default", "_pk_0"] }
    #expect(try align(planner(to: Sample.lite), source, found).actions == [])
  }

  @Test func `ddl ignore aligns once and then names what it holds back`() throws {
    let source = Sample.state { $0.indexes = [Sample.hnsw] }
    let planner = planner(ddl: .ignore)
    var record = try Sample.record(source: source, target: target)
    record.isSetUp = false
    #expect(try align(planner, source, target, record).actions.count == 1)
    record.isSetUp = true
    let plan = try align(planner, source, target, record)
    #expect(plan.actions == [])
    #expect(plan.heldBack.count == 1)
    #expect(plan.notes.contains { $0.hasPrefix("not applied (ddl: ignore): create index iv") })
  }

  @Test func `ddl stop ends at the first change`() throws {
    let source = Sample.state { $0.indexes = [Sample.hnsw] }
    let record = try Sample.record(source: source, target: target)
    let error = #expect(throws: BridgeError.self) {
      try align(planner(ddl: .stop), source, target, record)
    }
    #expect(error?.code == .schemaChange)
  }
}
