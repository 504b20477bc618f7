import CDCBridge
import MilvusWire
import TestSupport
import Testing

@Suite struct ClusterComparisonTests {
  private func compare(_ scenario: RowScenario, collection: String = "*") async throws -> ComparisonReport {
    var options = ClusterComparison.Options()
    options.pageBytes = 900
    options.clock = ImmediateClock()
    let selection = ObjectSelection(patterns: [.init(database: "default", collection: collection)])
    return try await ClusterComparison(pair: scenario.pair, selection: selection, options: options).run(report: { _ in })
  }

  @Test(arguments: RowScenario.Direction.allCases, RowScenario.Keys.allCases)
  func `a copied collection is equal, and comparing writes nothing`(direction: RowScenario.Direction, keys: RowScenario.Keys)
    async throws
  {
    let scenario = try await RowScenario(direction, keys: keys)
    scenario.fill(scenario.source, 0..<120)
    _ = try await scenario.pass()
    let before = scenario.target.calls.count
    let report = try await compare(scenario)
    #expect(report.verdict == .equal, "\(report.text)")
    let tally = try #require(report.collections.first).rows
    #expect(tally.sourceRows == 120 && tally.targetRows == 120 && tally.equal == 120)
    #expect(tally.sourceCount == 120 && tally.targetCount == 120 && tally.targetRepeats == 0)
    let reading: Set = [
      "Query", "DescribeCollection", "ShowPartitions", "DescribeIndex", "ListAliases", "GetLoadState", "ListDatabases", "ShowCollections",
      "AllocTimestamp",
    ]
    #expect(Set(scenario.target.calls.dropFirst(before).map(\.method)).isSubset(of: reading))
  }

  @Test func `each kind of difference is counted and sampled by key`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    scenario.fill(scenario.source, 0..<90)
    _ = try await scenario.pass()
    scenario.remove(Set((0..<15).map { .int($0) }), from: scenario.target)
    scenario.fill(scenario.target, 100..<103, seed: 8)
    scenario.remove([.int(50)], from: scenario.target)
    scenario.fill(scenario.target, [50], seed: 4242)
    let report = try await compare(scenario)
    let tally = try #require(report.collections.first).rows
    #expect(report.verdict == .different)
    #expect(tally.missing == 15 && tally.extra == 3 && tally.different == 1 && tally.equal == 74)
    #expect(tally.missingKeys == (0..<10).map { .int($0) })
    #expect(tally.extraKeys == [.int(100), .int(101), .int(102)] && tally.differentKeys == [.int(50)])
    #expect(tally.sourceRows == 90 && tally.targetRows == 78)
    #expect(report.text.contains("15 rows missing on the target, keys 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …"))
    #expect(report.text.hasSuffix("different: 1 of 1 collections\n"))
  }

  @Test func `rows that repeat a key are told apart from rows that are too many`() async throws {
    let scenario = try await RowScenario(.liteToMilvus)
    scenario.fill(scenario.source, 0..<30)
    _ = try await scenario.pass()
    let doubled = scenario.visible(scenario.target)
    scenario.put(doubled.filter { $0.key < .int(5) }.map { ($0.key, $0.value) }, in: scenario.target)
    let report = try await compare(scenario)
    let tally = try #require(report.collections.first).rows
    #expect(report.verdict == .equal)
    #expect(tally.targetRows == 30 && tally.targetCount == 35 && tally.targetRepeats == 5 && tally.sourceRepeats == 0)
    #expect(report.text.contains("the target counts 35 rows, 5 of them repeat a key"))
  }

  @Test func `a missing collection, an extra one and one that cannot be read are named`() async throws {
    let scenario = try await RowScenario(.milvusToMilvus)
    var other = scenario.schema
    other.name = "cities"
    try await scenario.source.createCollection(
      CollectionCreation(path: CollectionPath(database: "default", name: "cities"), schema: other))
    other.name = "towns"
    try await scenario.target.createCollection(
      CollectionCreation(path: CollectionPath(database: "default", name: "towns"), schema: other))
    try await scenario.target.releaseCollection(scenario.path)
    let report = try await compare(scenario)
    #expect(report.verdict == .failed)
    #expect(report.collections.map(\.source.name) == ["cities", "films", "towns"])
    #expect(report.collections.map(\.verdict) == [.different, .failed, .different])
    #expect(report.collections[0].schemaDifferences == ["the collection is missing on the target"])
    #expect(report.collections[1].failure?.contains("not loaded on the target") == true)
    #expect(report.collections[2].schemaDifferences == ["the collection is on the target only"])
  }

  @Test func `a partition of one side only shows with its rows`() async throws {
    let scenario = try await RowScenario(.milvusToMilvus)
    try await scenario.source.createPartition(scenario.path, name: "p1")
    try await scenario.source.loadCollection(scenario.path, options: LoadOptions())
    var random = SeededGenerator(seed: 1)
    scenario.put((0..<7).map { (.int($0), RowScenario.row(.int($0), &random)) }, in: scenario.source, partition: "p1")
    let report = try await compare(scenario)
    let collection = try #require(report.collections.first)
    #expect(collection.verdict == .different)
    #expect(collection.schemaDifferences.contains { $0.contains("partition p1") })
    #expect(collection.units.map(\.partition) == ["_default", "p1"])
    #expect(collection.units[1].rows.missing == 7 && collection.units[0].isEqual)
  }

  @Test func `a collection that was asked for and is not there is a failure`() async throws {
    let scenario = try await RowScenario(.milvusToLite)
    let report = try await compare(scenario, collection: "nowhere")
    #expect(report.verdict == .failed)
    #expect(report.collections.first?.failure?.contains("no such collection") == true)
  }

  @Test func `the JSON keeps its members`() async throws {
    let scenario = try await RowScenario(.liteToLite)
    scenario.fill(scenario.source, 0..<2)
    let json = try await compare(scenario).json
    let collection = try #require(json.objectValue?["collections"]?.arrayValue?.first?.objectValue)
    #expect(json.objectValue?["verdict"] == "different")
    #expect(
      collection.members.map(\.key) == ["source", "target", "verdict", "schema_differences", "notes", "failure", "rows", "units"])
    let rows = try #require(collection["rows"]?.objectValue)
    #expect(
      rows.members.map(\.key) == [
        "source", "target", "source_count", "target_count", "source_repeats", "target_repeats", "equal", "missing", "extra",
        "different", "missing_keys", "extra_keys", "different_keys",
      ])
    #expect(rows["missing_keys"] == [0, 1])
  }
}
