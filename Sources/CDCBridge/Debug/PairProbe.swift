package import MilvusWire

/// Whether a task could keep one cluster in sync with another: which capture and apply it would get, and everything in its way.
package struct PairProbe: Sendable {
  package struct Verdict: Sendable {
    package var capture: String
    package var apply: String
    /// What stands in the way of apply native, each with its fix; one line each.
    package var nativeObstacles: [String] = []
    /// What a task would do, collection by collection, as a dry run of `create` says it.
    package var plan: [String] = []
    /// What would not work, and the fix where there is one.
    package var obstacles: [(what: String, fix: String?)] = []
    package var isWorkable: Bool { obstacles.isEmpty }
    /// How many collections of the plan a task would refuse.
    package var refusedCount: Int { plan.count { $0.hasPrefix(TaskPreview.refusalPrefix) } }
  }
  private let source: ProbeReport
  private let target: ProbeReport

  package init(source: ProbeReport, target: ProbeReport) {
    self.source = source
    self.target = target
  }

  /// `spec`: what would be created; `factory` tries it without doing it.
  package func verdict(_ spec: TaskSpec, _ factory: any TaskRunnerFactory) async -> Verdict {
    var verdict = Verdict(capture: capture, apply: "public, into a cluster that stays writable")
    for (side, report) in [("source", source), ("target", target)] where report.profile == nil {
      verdict.obstacles.append(
        ("the \(side) cannot be used: \(report.failure ?? "")", report.failureCode == .unauthenticated ? "give its token" : nil))
    }
    guard verdict.obstacles.isEmpty else { return verdict }
    if isSameServer {
      verdict.obstacles.append(
        ("both addresses are the same cluster (replication id \(source.log?.replicationID ?? ""), same log)", "give two clusters"))
    }
    if target.role?.hasPrefix("secondary") == true {
      verdict.obstacles.append(("the target is a secondary and refuses writes", "promote it, or take it out of its replication"))
    }
    if let health = target.health, !health.isHealthy {
      verdict.obstacles.append(("the target is not healthy: \(health.reasons.joined(separator: ", "))", nil))
    }
    verdict.apply += native
    verdict.nativeObstacles = await nativeObstacles(spec, factory)
    do throws(BridgeError) {
      // What it begins with is said above, better.
      verdict.plan = try await factory.plan(spec).filter { line in
        !["source: ", "target: ", "capture: "].contains { line.hasPrefix($0) }
      }
    } catch {
      verdict.obstacles.append((error.description, error.hint))
    }
    return verdict
  }

  /// What a dry run of a native task would say of the whole cluster. A pair that cannot even be asked is judged above.
  private func nativeObstacles(_ spec: TaskSpec, _ factory: any TaskRunnerFactory) async -> [String] {
    var native = spec
    native.apply = .native
    native.selection = ObjectSelection(patterns: [.init(database: "*", collection: "*")])
    let lines = (try? await factory.plan(native)) ?? []
    return lines.filter { $0.hasPrefix(NativeObstacles.prefix) }.map { String($0.dropFirst(NativeObstacles.prefix.count)) }
  }

  private var capture: String {
    guard let profile = source.profile else { return "none" }
    if profile.hasLog, source.log?.problem == nil { return "wal: the source's log is followed, changes arrive within milliseconds" }
    return "reconcile, by comparing: "
      + (source.log?.problem.map { "the source's log \($0)" } ?? CaptureChoice.reason(profile))
  }

  /// Equal channels that begin with the same message are one cluster by two names.
  private var isSameServer: Bool {
    guard let a = source.log, let b = target.log, a.replicationID != nil else { return false }
    return a.replicationID == b.replicationID && a.pchannels == b.pchannels && a.oldest != nil && a.oldest == b.oldest
  }

  /// What speaks for and against Milvus's own replication.
  private var native: String {
    guard let from = source.profile, let to = target.profile else { return "" }
    var against: [String] = []
    if !from.hasLog { against.append("the source has no log that can be read") }
    if !to.hasLog { against.append("the target takes no replicate stream") }
    if let a = from.version, let b = to.version, (a.major, a.minor) > (b.major, b.minor) {
      against.append("the source is newer than the target")
    }
    if let a = source.log?.pchannels.count, let b = target.log?.pchannels.count, a != b {
      against.append("\(a) pchannels cannot map to \(b)")
    }
    if let id = source.log?.replicationID, id == target.log?.replicationID { against.append("both clusters have the replication id \(id)") }
    if target.collectionCount > 0 { against.append("the target is not empty") }
    return against.isEmpty ? "; native would be possible" : "; native would not: \(against.joined(separator: ", "))"
  }
}

extension PairProbe.Verdict {
  package var lines: [String] {
    var lines = ["capture: \(capture)", "apply: \(apply)"]
    lines += nativeObstacles.map { "  in the way of native: \($0)" }
    lines += plan.map { "  \($0)" }
    if refusedCount > 0 { lines.append("would not work for \(refusedCount) of the collections: see \"refuse\" above") }
    for obstacle in obstacles {
      lines.append("would not work: \(obstacle.what)")
      if let fix = obstacle.fix { lines.append("  fix: \(fix)") }
    }
    return lines.map(SafeText.line)
  }

  package var json: JSONValue {
    [
      "capture": .string(capture), "apply": .string(apply),
      "native_obstacles": .array(nativeObstacles.map { .string($0) }), "plan": .array(plan.map { .string($0) }),
      "workable": .bool(isWorkable), "refused": .int(refusedCount),
      "obstacles": .array(obstacles.map { .object(["what": .string($0.what), "fix": .text($0.fix)]) }),
    ]
  }
}
