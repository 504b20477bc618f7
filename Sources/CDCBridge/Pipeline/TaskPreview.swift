internal import MilvusWire

/// `dry_run`: what a task would do, one line each. Reads both clusters and writes nothing anywhere.
struct TaskPreview: Sendable {
  let spec: TaskSpec
  let pair: ClusterPair

  private var sourceReader: CatalogReader {
    CatalogReader(cluster: pair.source, profile: pair.sourceProfile, side: .source)
  }
  private var targetReader: CatalogReader {
    CatalogReader(cluster: pair.target, profile: pair.targetProfile, side: .target)
  }
  private var planner: CollectionPlanner {
    CollectionPlanner(
      sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile, ddl: spec.ddl,
      adopt: spec.adopt, ignorePartition: spec.ignorePartition)
  }

  func lines() async throws(BridgeError) -> [String] {
    var lines = [
      "source: \(pair.sourceProfile.title) at \(pair.source.peer)",
      "target: \(pair.targetProfile.title) at \(pair.target.peer)",
      capture(),
    ]
    let reading = try await SourceListingReader(reader: sourceReader, selection: spec.selection).read()
    let plan = ClusterPlan(
      ClusterPlan.Input(
        listing: reading.listing, selection: spec.selection, records: [],
        targetDatabases: try await targetReader.databases(), ownedDatabases: [],
        sourceProfile: pair.sourceProfile, targetProfile: pair.targetProfile))
    lines += reading.notes.map { "not replicated: \($0)" } + plan.notes.map { "not replicated: \($0)" }
    var newDatabases: Set<String> = []
    for case .createDatabase(let name) in plan.steps {
      newDatabases.insert(name)
      lines.append("create database \(name)")
    }
    for (path, reason) in reading.absent.sorted(by: { $0.key < $1.key }) {
      lines.append("wait for \(path): \(reason.hint(path))")
    }
    for path in reading.listing.collections.keys.sorted() {
      if let conflict = plan.conflicts[path] {
        lines.append(Self.refused(path, conflict))
        continue
      }
      guard let state = try await sourceReader.state(of: path) else { continue }
      do throws(BridgeError) {
        lines += try await collection(state)
      } catch {
        if error.cause?.isConnectionLoss == true { throw error }
        lines.append(Self.refused(path, error))
      }
    }
    return lines
  }

  private func capture() -> String {
    let source = pair.sourceProfile
    if CaptureChoice.triesLog(spec, source: source) { return "capture: wal (\(CaptureChoice.logReason(spec: spec, source: source)))" }
    let reason = CaptureChoice.reason(spec: spec, source: source)
    let refusal = spec.capture == .wal ? CaptureChoice.noLog(source) : CaptureChoice.refusal(of: spec, reconcileBecause: reason)
    if let refusal { return "\(Self.refusalPrefix)the task: \(refusal.message)" + (refusal.hint.map { " — \($0)" } ?? "") }
    return "capture: reconcile (\(reason))"
  }

  /// How a line begins that says what would not be replicated.
  static let refusalPrefix = "refuse "

  private static func refused(_ path: CollectionPath, _ error: BridgeError) -> String {
    "\(refusalPrefix)\(path): \(error.message)" + (error.hint.map { " — \($0)" } ?? "")
  }

  private func collection(_ source: CollectionState) async throws(BridgeError) -> [String] {
    let mapped = spec.selection.target(of: source.path)
    let blueprint = try SchemaBlueprint(
      source: source, target: mapped, sourceProfile: pair.sourceProfile,
      targetProfile: pair.targetProfile)
    let target = try await targetReader.state(of: mapped)
    var claim = planner.claim(source: source, blueprint: blueprint, target: target, record: nil)
    if case .countTarget = claim {
      guard target?.loaded == .all,
        let rows = try? await pair.target.countLoaded(mapped, isLite: pair.targetProfile.isLite)
      else { throw planner.uncountable(mapped) }
      claim = planner.claim(
        source: source, blueprint: blueprint, target: target, record: nil, targetRows: rows)
    }
    let verb: String
    switch claim {
    case .conflict(let error): throw error
    case .create, .recreate, .countTarget: verb = "create \(mapped) and copy"
    case .adopt, .keep: verb = "take over \(mapped) and copy"
    }
    let future = target ?? Self.created(blueprint)
    let alignment = try planner.align(
      source: source, blueprint: blueprint, target: future, record: nil)
    var rows = "rows unknown"
    if let count = try? await pair.source.count(source.path, expression: "", partitions: []) {
      rows = "\(count) rows"
    }
    var lines = ["\(verb) \(source.path) (\(rows)), then follow it"]
    lines += alignment.actions.map { "  \($0)" }
    lines += source.aliases.map { "  point alias \($0) to \(mapped)" }
    lines += alignment.notes.map { "  not replicated: \($0)" }
    if !source.loaded.isReadable {
      lines.append("  wait: \(source.path) is not loaded on the source, so its rows cannot be read")
    }
    return lines
  }

  /// What the target would show right after CreateCollection.
  static func created(_ blueprint: SchemaBlueprint) -> CollectionState {
    var description = CollectionDescription(schema: blueprint.creation.schema)
    description.name = blueprint.creation.path.name
    description.properties = blueprint.creation.properties
    description.numPartitions = blueprint.creation.numPartitions
    return CollectionState(path: blueprint.creation.path, description: description)
  }
}
